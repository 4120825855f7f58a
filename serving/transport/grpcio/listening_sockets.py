"""Closes the sockets of the server's port in two steps, which grpcio cannot.

grpcio ends listening and all calls in one step. A call that arrives meanwhile gets CANCELLED, which no client takes
as a reason to try another server. Here listening ends first. Then the server's half of each connection is shut down,
behind all data that was written. Clients see UNAVAILABLE, and grpcio has nothing left to cancel.

The sockets are found in /proc. Without it, nothing is closed here, and grpcio's way remains.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OPEN_FILES = Path("/proc/self/fd")


def stop_listening(port: int) -> None:
    """Accept no more connections. Other processes that share the port still do."""
    for number, each in _sockets(port):
        if _listens(each):
            # Another socket takes over the file descriptor, so that grpcio can still wait for it and close it.
            with socket.socket(each.family, socket.SOCK_STREAM) as substitute:
                os.dup2(substitute.fileno(), number, inheritable=False)


def half_close_connections(port: int) -> int:
    """Shut down the server's half of each connection. The client shuts down the other half when it notices.

    Returns:
        How many connections there were.
    """
    count = 0
    for _, each in _sockets(port):
        if not _listens(each):
            with suppress(OSError):  # the client has closed it already
                each.shutdown(socket.SHUT_WR)
                count += 1
    return count


def _listens(each: socket.socket) -> bool:
    return bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _sockets(port: int) -> Iterator[tuple[int, socket.socket]]:
    """All sockets of a port by file descriptor. The sockets are duplicates, which are closed after use."""
    for number in _numbers():
        try:
            duplicate = os.dup(number)
        except OSError:
            # Closed in the meantime, or the descriptor that listed the folder.
            continue
        try:
            each = socket.socket(fileno=duplicate)
        except OSError:
            os.close(duplicate)
            continue
        with each:
            if each.family in {socket.AF_INET, socket.AF_INET6} and each.getsockname()[1] == port:
                yield number, each


def _numbers() -> list[int]:
    try:
        return [int(each.name) for each in OPEN_FILES.iterdir()]
    except OSError:
        return []
