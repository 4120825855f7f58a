"""Ports for servers that must be told which one to listen on."""

import itertools
import os
import socket

FIRST, COUNT = 13_000, 5_000  # below those that Linux gives to outgoing connections
_PORTS = itertools.cycle(range(FIRST, FIRST + COUNT))
_PORTS = itertools.islice(
    _PORTS, os.getpid() % COUNT, None
)  # two runs on one machine begin at different places


def free_port() -> int:
    """A port that nothing listens on, another at each call."""
    for port in itertools.islice(_PORTS, COUNT):
        with socket.socket() as made:
            try:
                made.bind(("", port))
            except OSError:
                continue
            return port
    raise OSError(f"none of the ports from {FIRST} to {FIRST + COUNT - 1} is free")
