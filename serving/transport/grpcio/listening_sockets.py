"""The sockets of the server's port, ended in an order that grpcio does not have.

grpcio ends listening, and calls, in one step, and a call that arrives during it is told CANCELLED: no client takes
that for a reason to ask another server. Here nobody is let in any more first; then each connection is told that
nothing more comes from here, behind all that was written. Clients then see UNAVAILABLE, and grpcio has nothing left
to cancel.

The system tells which sockets there are (/proc); where it does not, grpcio's way is the only one.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OPEN_FILES = Path("/proc/self/fd")


def stop_listening(port: int) -> None:
    """Let nobody in any more. Other processes that share the port go on."""
    for number, each in _sockets(port):
        if _listens(each):
            # Another socket takes its number, so that grpcio can go on to hold it, wait for it and close it.
            with socket.socket(each.family, socket.SOCK_STREAM) as substitute:
                os.dup2(substitute.fileno(), number, inheritable=False)


def half_close_connections(port: int) -> int:
    """End our half of each connection; the other half ends when the client has seen that.

    Returns:
        How many connections there were.
    """
    count = 0
    for _, each in _sockets(port):
        if not _listens(each):
            with suppress(OSError):  # the client was faster
                each.shutdown(socket.SHUT_WR)
                count += 1
    return count


def _listens(each: socket.socket) -> bool:
    return bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _sockets(port: int) -> Iterator[tuple[int, socket.socket]]:
    """Our end of everything that goes through a port, by its number; a duplicate, which may be closed."""
    for number in _numbers():
        try:
            duplicate = os.dup(number)
        except OSError:
            # Closed meanwhile, or what listed it.
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
