"""From a version's folder to a model that may answer: open, hold the config against it, check, warm up."""

from pathlib import Path

from serving.errors import ModelLoadError
from serving.repository import agreement, confinement, golden, labels, layout
from serving.repository.config import ModelConfig
from serving.repository.model import LoadedModel
from serving.repository.plain_reason import plain
from serving.repository.statistics import Statistics
from serving.repository.warmup import answer_requests, warm_up
from serving.runtimes import ARTEFACTS
from serving.runtimes.runtime import DEFAULT_SIGNATURE


def load(name: str, version: int, folder: Path, root: Path, config: ModelConfig) -> LoadedModel:
    """Load one version.

    Args:
        name: The model's name.
        version: Its version.
        folder: The version's folder.
        root: The repository; nothing outside it is opened.
        config: What the owner decided.

    Raises:
        ModelLoadError: It cannot be served; the text says why, without paths.
    """
    try:
        confinement.check_content(folder, root)
        artefact = layout.artefact(folder)
        runtime = ARTEFACTS[artefact.name](artefact)
        completed = config.completed(runtime)
        agreement.check(completed, name, runtime)
        names = labels.read(folder.parent, root, completed)
        golden.check(runtime, folder)
        answer_requests(runtime, completed)
    except Exception as error:
        # A corrupt file makes a library raise anything; none of it may stop the other models.
        reason = str(error) if isinstance(error, ModelLoadError) else f"{type(error).__name__}: {error}"
        raise ModelLoadError(plain(reason, folder, root)) from error
    # A signature may change its model, so none runs that clients do not call without naming it.
    named = runtime.others and runtime.signature != DEFAULT_SIGNATURE
    pace = None if named else warm_up(runtime, completed.max_batch_size or 0)
    statistics = Statistics()
    others = {
        each.signature: LoadedModel(
            name, str(version), each, config.of_other(each), None, {}, statistics, each.signature
        )
        for each in runtime.others
    }
    return LoadedModel(
        name, str(version), runtime, completed, pace, names, statistics, runtime.signature, others
    )
