"""What ``plainserve serve --workers N`` runs N times; nobody types it.

    python -m serving.commands.worker FILE

FILE is the number of an open socket, which leads to the supervisor. All else comes over it.
"""

import asyncio
import socket
import sys

from serving.cli import parser
from serving.commands import log_format, serve
from serving.commands.process_exit import leave
from serving.load_trial.trial_runner import TrialRunner
from serving.server.options import ServerOptions
from serving.workers.shared_trials import FIRST
from serving.workers.worker import Worker


def main() -> int:
    """Serve until the supervisor says otherwise.

    Returns:
        The exit code.
    """
    end = socket.socket(fileno=int(sys.argv[1]))
    return asyncio.run(_to_the_end(end))


async def _to_the_end(end: socket.socket) -> int:
    return leave(drained=await Worker(_prepare).run(end))


def _prepare(arguments: list[str], index: int) -> tuple[ServerOptions, TrialRunner | None]:
    options = parser().parse_args(arguments)
    log_format.set_up(options.log_format, options.log_level, worker=index)
    trials = serve.trials(options)
    if trials is not None and index == FIRST:
        # The one that is asked first to try what is to be loaded.
        trials.prepare()
    return serve.decided(options), trials


if __name__ == "__main__":
    sys.exit(main())
