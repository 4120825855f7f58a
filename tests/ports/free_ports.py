"""Ports for servers that must be told which one to listen on.

A server that may choose listens on port 0. For the others, a port that was free a moment ago may be taken by then, by
a server of another test process or by an outgoing connection. So each process takes ports from a range of its own,
below those that Linux gives out (32768 and above).
"""

import itertools
import os
import socket

FIRST, EACH = 20_000, 600  # above those that Ray gives its workers
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ATTEMPTS = itertools.count(os.getpid())  # two runs on one machine begin at different places


def free_port() -> int:
    """A port that nothing listens on, another at each call."""
    for attempt in itertools.islice(_ATTEMPTS, EACH):
        port = FIRST + _WORKER % 20 * EACH + attempt % EACH
        with socket.socket() as made:
            try:
                made.bind(("", port))
            except OSError:
                continue
            return port
    raise OSError(f"none of the {EACH} ports of this process is free")
