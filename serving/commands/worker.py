"""What ``plainserve serve --workers N`` runs N times; nobody types it.

    python -m serving.commands.worker FILE

FILE is the number of an open socket, which leads to the supervisor. All else comes over it.
"""

import asyncio
import os
import socket
import sys

from serving.cli import parser
from serving.commands import log_output, serve
from serving.rpc.options import ServerOptions
from serving.workers.worker import Worker


def main() -> int:
    """Serve until the supervisor says otherwise.

    Returns:
        The exit code.
    """
    end = socket.socket(fileno=int(sys.argv[1]))
    if not asyncio.run(_run(end)):
        # No library survives that the interpreter ends beneath its running threads.
        os._exit(1)
    return 0


async def _run(end: socket.socket) -> bool:
    return await Worker(_prepare).run(end)


def _prepare(arguments: list[str], index: int) -> ServerOptions:
    options = parser().parse_args(arguments)
    log_output.set_up(options.log_format, options.log_level, worker=index)
    return serve.decided(options)


if __name__ == "__main__":
    sys.exit(main())
