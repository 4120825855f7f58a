"""The models of a server, as its control mode has it: loaded at the start, and kept so."""

import asyncio
import logging

from serving.errors import ModelLoadError, ModelNotFoundError, RepositoryError
from serving.repository.repository import Repository
from serving.rpc.options import ControlMode, ServerOptions

log = logging.getLogger(__name__)

ALL = "*"


def load(repository: Repository, options: ServerOptions) -> None:
    """Load what is to be there from the start, and require it: the server is ready only if all of it can answer.

    A model that cannot be loaded is logged and is not ready. What is published or asked for later is not required:
    a mistake in it must not take a server out that answers for all others.

    Raises:
        RepositoryError: The repository is missing, or holds no model although it must, or not one that was named.
    """
    if options.control is not ControlMode.EXPLICIT:
        repository.load_all(may_be_empty=options.control is ControlMode.POLL)
        repository.required = frozenset(repository.names())
        return
    names = repository.absent()
    wanted = names if ALL in options.load_models else options.load_models
    repository.required = frozenset(wanted)
    for name in wanted:
        try:
            repository.load(name)
        except ModelNotFoundError as error:
            raise RepositoryError(f"{error}; it holds {', '.join(names) or 'none'}") from error
        except ModelLoadError:
            # Logged where it happened; the model says so to whoever asks for it.
            continue


async def poll(repository: Repository, seconds: float) -> None:
    """Look at the repository again and again, until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        await refresh(repository)


async def refresh(repository: Repository) -> None:
    """Look at the repository once, on a thread of its own. If that fails, it is logged."""
    try:
        await asyncio.to_thread(repository.load_all, may_be_empty=True)
    except RepositoryError as error:
        log.warning("the models stay as they are: %s", error)
    except Exception:
        log.exception("looking at the repository failed; the models stay as they are")
