"""What the process of one trial does: load the version as the server would, tell the verdict, and end.

The candidate comes from the server and is trusted; the verdict is JSON, since what told it ran a stranger's model.
"""

import ctypes
import gc
import json
import os
import pickle
import signal
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

from serving import daemon_threads
from serving.errors import ModelLoadError
from serving.repository.loading.candidate import Candidate
from serving.repository.loading.load import load

DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

NICENESS = 5
"""How far a trial stands back behind those who are served."""

LENGTH = 4
"""Bytes that say how long the candidate behind them is."""


def run(talk: socket.socket, parent: int) -> NoReturn:
    """Try the candidate that the server sends.

    Args:
        talk: What leads to the server; its number is the only one open beside stdin, stdout and stderr.
        parent: The process without which there is no use in going on.
    """
    _stand_back(parent)
    candidate: Candidate = pickle.loads(_received(talk))  # noqa: S301  from the server, not from a client or a model
    # On a thread, as in the server: what reads memory that is not its own does not do the same everywhere.
    verdict = {"reason": daemon_threads.start(partial(_reason, candidate)).result()}
    talk.sendall(json.dumps(verdict).encode() + b"\n")
    os._exit(0)


def _reason(candidate: Candidate) -> str:
    """Why the version cannot be served; empty if it can."""
    try:
        load(candidate.name, candidate.version, candidate.folder, candidate.root, candidate.config)
    except ModelLoadError as error:
        return str(error)
    # What goes wrong when it is unloaded is to go wrong here as well.
    gc.collect()
    return ""


def _stand_back(parent: int) -> None:
    """End with the parent, be quiet, and let others go first, for the processor and when memory is short."""
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    silence = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(silence, number)
    os.nice(NICENESS)
    with suppress(OSError):  # some containers do not let anybody write there
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _received(talk: socket.socket) -> bytes:
    with talk.makefile("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH), "big")
        return stream.read(length)
