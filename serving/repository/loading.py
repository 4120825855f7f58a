"""From a version's folder to a model that may answer: open, hold the config against it, check, warm up, try."""

from pathlib import Path

from serving.errors import ModelLoadError
from serving.repository import agreement, golden, joining, labels, layout
from serving.repository.config import ModelConfig
from serving.repository.model import LoadedModel
from serving.repository.plain_reason import plain
from serving.repository.reshaped import reshaped
from serving.repository.statistics import Statistics
from serving.repository.warmup import answer_requests, warm_up
from serving.runtimes import ARTEFACTS
from serving.runtimes.runtime import DEFAULT_SIGNATURE, Runtime


def load(name: str, version: int, folder: Path, root: Path, config: ModelConfig) -> LoadedModel:
    """Load one version.

    Args:
        name: The model's name.
        version: Its version.
        folder: The version's folder, whose files were looked at (:mod:`serving.repository.walk`).
        root: The repository; nothing outside it is opened.
        config: What the owner decided.

    Raises:
        ModelLoadError: It cannot be served; the text says why, without paths.
    """
    try:
        artefact = layout.artefact(folder, config.filename)
        runtime = ARTEFACTS[artefact.name](artefact, config.settings)
        completed = config.completed(runtime)
        agreement.check(completed, name, runtime)
        names = labels.read(folder.parent, root, completed)
        recorded = golden.check(runtime, folder)
        served = reshaped(runtime, completed)
        answer_requests(served, completed)
    except Exception as error:
        # A corrupt file makes a library raise anything; none of it may stop the other models.
        reason = str(error) if isinstance(error, ModelLoadError) else f"{type(error).__name__}: {error}"
        raise ModelLoadError(plain(reason, folder, root)) from error
    # A signature may change its model, so none runs that clients do not call without naming it.
    named = bool(runtime.others) and runtime.signature != DEFAULT_SIGNATURE
    pace = None if named else warm_up(served, completed.max_batch_size or 0)
    joined = (
        joining.as_written(completed)
        if named
        # As the model itself sees its rows.
        else joining.decide(runtime, completed.unreshaped(), artefact, recorded)
    )
    statistics = Statistics()
    others = {
        each.signature: _other(name, version, each, config.of_other(each), statistics)
        for each in served.others
    }
    return LoadedModel(
        name, str(version), served, completed, pace, names, joined, statistics, served.signature, others
    )


def _other(
    name: str, version: int, runtime: Runtime, config: ModelConfig, statistics: Statistics
) -> LoadedModel:
    """The version by another signature than the default one; it is not run, and nobody proves anything of it."""
    return LoadedModel(
        name,
        str(version),
        runtime,
        config,
        pace=None,
        joining=joining.as_written(config),
        statistics=statistics,
        signature=runtime.signature,
    )
