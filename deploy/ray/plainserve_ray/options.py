"""The options of a deployment: ``args`` of the application in Serve's config file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = "PLAINSERVE_REPOSITORY"
"""The environment variable with the repository, if the config does not have it."""


@dataclass(frozen=True, slots=True)
class ReplicaOptions:
    """The options of every replica.

    Attributes:
        repository: The folder of models, at the same path on every node.
        poll_seconds: Seconds between two polls of the repository; None for no polls.
        log_level: As for ``plainserve serve``.
    """

    repository: Path
    poll_seconds: float | None = None
    log_level: str = "warning"


def read(args: Mapping[str, object]) -> ReplicaOptions:
    """The options in the config's ``args``.

    Args:
        args: ``repository``, ``repository_poll_secs`` and ``log_level``, all of which may be missing.

    Raises:
        ValueError: One of them is unknown or wrong, or there is no repository.
    """
    unknown = sorted(set(args) - {"repository", "repository_poll_secs", "log_level"})
    if unknown:
        raise ValueError(
            f"args has {unknown[0]!r}; it may have repository, repository_poll_secs and log_level"
        )
    repository = args.get("repository") or os.environ.get(ENVIRONMENT)
    if not isinstance(repository, str):
        raise ValueError(  # noqa: TRY004  one error for all mistakes in the config
            f"args needs repository, the path of the model repository on every node (or set {ENVIRONMENT})"
        )
    return ReplicaOptions(Path(repository), _seconds(args.get("repository_poll_secs")), _level(args))


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"repository_poll_secs must be a time above 0; got {value!r}")
    return seconds


def _level(args: Mapping[str, object]) -> str:
    level = args.get("log_level", "warning")
    if level not in {"error", "warning", "info", "debug"}:
        raise ValueError(f"log_level must be error, warning, info or debug; got {level!r}")
    return str(level)
