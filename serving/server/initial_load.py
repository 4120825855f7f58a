"""Loads the models that the control mode asks for: at the start, and again when the repository is polled."""

import asyncio
import logging
from collections.abc import Collection

from serving import daemon_threads
from serving.errors import RepositoryError
from serving.repository.repository import Repository
from serving.server.options import ControlMode, ServerOptions

log = logging.getLogger(__name__)

ALL = "*"

START_STALL_SECONDS = 30.0
"""Seconds without progress of any model after which the start no longer waits. Models may still load later."""

REFRESH_STALL_SECONDS = 1.0
"""The same when the repository is scanned again."""


def load(repository: Repository, options: ServerOptions, seconds: float | None = None) -> None:
    """Load the models that the options ask for, and require them: the server is ready only if all of them are.

    A model that cannot be loaded is logged and is not ready. Models that are published or loaded later are not
    required: a mistake in one of them must not take a server out of service that can answer for all others.

    Args:
        repository: The models.
        options: The options of the server.
        seconds: How long to wait while no model makes progress; None for as long as it takes.

    Raises:
        RepositoryError: The repository is missing, has no model although it must, or lacks a model that was named.
    """
    names = _named(repository, options)
    may_be_empty = options.control is not ControlMode.NONE
    repository.load_all(may_be_empty=may_be_empty, only=names, seconds=seconds)
    repository.required = frozenset(repository.names() if names is None else names)


def dry_run(repository: Repository, options: ServerOptions, seconds: float | None = None) -> None:
    """Load in a child process, for trial, what :func:`load` would load.

    Raises:
        RepositoryError: As for :func:`load`.
    """
    repository.dry_run_all(_named(repository, options), seconds=seconds)


def _named(repository: Repository, options: ServerOptions) -> Collection[str] | None:
    """The models to load at the start; None for all in the repository.

    Raises:
        RepositoryError: The repository is missing, or lacks a model that was named.
    """
    if options.control is not ControlMode.EXPLICIT:
        return None
    names = sorted({*repository.absent(), *repository.names()})
    wanted = names if ALL in options.load_models else options.load_models
    for name in wanted:
        if name not in names:
            raise RepositoryError(
                f"failed to load '{name}': the repository holds no such model; it holds {', '.join(names) or 'none'}"
            )
    return wanted


async def poll(repository: Repository, seconds: float) -> None:
    """Scan the repository at intervals, until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        await refresh(repository)


async def refresh(
    repository: Repository, only: Collection[str] | None = None, seconds: float | None = REFRESH_STALL_SECONDS
) -> None:
    """Scan the repository once, on a thread, and load what has changed. Failures are logged.

    Args:
        repository: The models.
        only: The models to consider; None for all.
        seconds: How long to wait while no model makes progress. Loading goes on in the background after that.
    """

    def look() -> None:
        repository.load_all(may_be_empty=True, only=only, seconds=seconds)

    try:
        await asyncio.wrap_future(daemon_threads.start(look))
    except RepositoryError as error:
        log.warning("the models stay as they are: %s", error)
    except Exception:
        log.exception("looking at the repository failed; the models stay as they are")
