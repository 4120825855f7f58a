"""The models of a server, as its control mode has it: loaded at the start, and kept so."""

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
"""Seconds for which the start waits while no model gets on; one that is loaded later is not ready until then."""

REFRESH_STALL_SECONDS = 1.0
"""The same when the repository is looked at again."""


def load(repository: Repository, options: ServerOptions, seconds: float | None = None) -> None:
    """Load what is to be there from the start, and require it: the server is ready only if all of it can answer.

    A model that cannot be loaded is logged and is not ready. What is published or asked for later is not required:
    a mistake in it must not take a server out that answers for all others.

    Args:
        repository: The models.
        options: What was decided.
        seconds: How long to wait while no model gets on; None for as long as it takes.

    Raises:
        RepositoryError: The repository is missing, or holds no model although it must, or not one that was named.
    """
    names = _named(repository, options)
    may_be_empty = options.control is not ControlMode.NONE
    repository.load_all(may_be_empty=may_be_empty, only=names, seconds=seconds)
    repository.required = frozenset(repository.names() if names is None else names)


def dry_run(repository: Repository, options: ServerOptions, seconds: float | None = None) -> None:
    """Try what :func:`load` would load.

    Raises:
        RepositoryError: See there.
    """
    repository.rehearse_all(_named(repository, options), seconds=seconds)


def _named(repository: Repository, options: ServerOptions) -> Collection[str] | None:
    """The models to load at the start; None for all that there are.

    Raises:
        RepositoryError: The repository is missing, or holds none of that name.
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
    """Look at the repository again and again, until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        await refresh(repository)


async def refresh(
    repository: Repository, only: Collection[str] | None = None, seconds: float | None = REFRESH_STALL_SECONDS
) -> None:
    """Look at the repository once, on a thread of its own. If that fails, it is logged.

    Args:
        repository: The models.
        only: The models to look at; None for all.
        seconds: How long to wait while no model gets on; what takes longer goes on by itself.
    """

    def look() -> None:
        repository.load_all(may_be_empty=True, only=only, seconds=seconds)

    try:
        await asyncio.wrap_future(daemon_threads.start(look))
    except RepositoryError as error:
        log.warning("the models stay as they are: %s", error)
    except Exception:
        log.exception("looking at the repository failed; the models stay as they are")
