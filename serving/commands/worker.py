"""The program of a worker process, which ``plainserve serve --workers N`` starts N times.

    python -m serving.commands.worker FILE FRONTEND

FILE is the file descriptor of a socket to the supervisor, which sends everything else over it. FRONTEND is the front
end that the supervisor chose; the event loop, which the socket is read on, depends on it.
"""

import asyncio
import socket
import sys

from serving.commands import log_format, serve, serve_options
from serving.commands.command_line import parser
from serving.commands.process_exit import end_process
from serving.server.frontend_choice import loop_factory
from serving.server.options import FrontEnd, ServerOptions
from serving.trial_load.trial_runner import TrialRunner
from serving.workers.shared_trials import FIRST
from serving.workers.worker import Worker


def main() -> int:
    """Serve until a signal says to stop, or the supervisor has ended.

    Returns:
        The exit code.
    """
    end = socket.socket(fileno=int(sys.argv[1]))
    with asyncio.Runner(loop_factory=loop_factory(FrontEnd(sys.argv[2]))) as runner:
        return runner.run(_serve_to_the_end(end))


async def _serve_to_the_end(end: socket.socket) -> int:
    return end_process(drained=await Worker(_prepare).run(end))


def _prepare(arguments: list[str], index: int) -> tuple[ServerOptions, TrialRunner | None]:
    options = parser().parse_args(arguments)
    log_format.set_up(options.log_format, options.log_level, worker=index)
    trials = serve.trial_runner(options)
    if trials is not None and index == FIRST:
        # The first worker runs the trials at the start.
        trials.prepare()
    return serve_options.server_options(options), trials


if __name__ == "__main__":
    sys.exit(main())
