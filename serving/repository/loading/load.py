"""Loads one version: opens it, checks it against its config and its recorded request, and warms it up."""

from pathlib import Path

from serving.errors import ModelLoadError
from serving.repository.config import ModelConfig
from serving.repository.files import class_labels, layout
from serving.repository.loading import batching_permission, config_agreement, golden_request
from serving.repository.loading.reshape import reshaped
from serving.repository.loading.warmup import answer_requests, warm_up
from serving.repository.model import LoadedModel
from serving.repository.redaction import redact
from serving.repository.statistics import Statistics
from serving.runtimes import ARTEFACTS
from serving.runtimes.runtime import DEFAULT_SIGNATURE, Runtime


def load(name: str, version: int, folder: Path, root: Path, config: ModelConfig) -> LoadedModel:
    """Load one version.

    Args:
        name: The model's name.
        version: Its version.
        folder: The version's folder, whose files were checked (:mod:`serving.repository.files.fingerprint`).
        root: The repository; nothing outside it is opened.
        config: The config of the model.

    Raises:
        ModelLoadError: It cannot be served; the text is the reason, without paths.
    """
    try:
        artefact = layout.artefact(folder, config.filename)
        runtime = ARTEFACTS[artefact.name](artefact, config.settings)
        completed = config.completed(runtime)
        config_agreement.check(completed, name, runtime)
        names = class_labels.read(folder.parent, root, completed)
        recorded = golden_request.check(runtime, folder)
        served = reshaped(runtime, completed)
        answer_requests(served, completed)
    except Exception as error:
        # A corrupt file can make a library raise any exception, and the other models must still be loaded.
        reason = str(error) if isinstance(error, ModelLoadError) else f"{type(error).__name__}: {error}"
        raise ModelLoadError(redact(reason, folder, root)) from error
    # A signature may change the model, so a signature that clients must name is not run at load.
    named = bool(runtime.others) and runtime.signature != DEFAULT_SIGNATURE
    latency = None if named else warm_up(served, completed.max_batch_size or 0)
    joined = (
        batching_permission.as_written(completed)
        if named
        # With the shapes of the model itself.
        else batching_permission.decide(runtime, completed.unreshaped(), artefact, recorded)
    )
    statistics = Statistics()
    others = {
        each.signature: _other(name, version, each, config.of_other(each), statistics)
        for each in served.others
    }
    return LoadedModel(
        name, str(version), served, completed, latency, names, joined, statistics, served.signature, others
    )


def _other(
    name: str, version: int, runtime: Runtime, config: ModelConfig, statistics: Statistics
) -> LoadedModel:
    """The version by another signature than the default one; it is not run at load, so nothing is proved about it."""
    return LoadedModel(
        name,
        str(version),
        runtime,
        config,
        latency=None,
        batching_permission=batching_permission.as_written(config),
        statistics=statistics,
        signature=runtime.signature,
    )
