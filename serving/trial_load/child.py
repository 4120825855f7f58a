"""The process of one trial: loads the version as the server would, reports the result, and exits.

The candidate comes from the server and is trusted. The result is JSON and is not trusted, because the process that
sends it has run the model.
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
"""The niceness of a trial, so that requests are served first."""

LENGTH = 4
"""Bytes of the length before the pickled candidate."""


def run(talk: socket.socket, parent: int) -> NoReturn:
    """Try the candidate that the server sends.

    Args:
        talk: The socket to the server; no other file is open except stdin, stdout and stderr.
        parent: The fork server; the trial ends with it.
    """
    _limit_self(parent)
    candidate: Candidate = pickle.loads(_received(talk))  # noqa: S301  from the server, not from a client or a model
    # On a thread, as in the server: a model that reads invalid memory behaves differently on other threads.
    result = {"reason": daemon_threads.start(partial(_reason, candidate)).result()}
    talk.sendall(json.dumps(result).encode() + b"\n")
    os._exit(0)


def _reason(candidate: Candidate) -> str:
    """Why the version cannot be served; empty if it can."""
    try:
        load(candidate.name, candidate.version, candidate.folder, candidate.root, candidate.config)
    except ModelLoadError as error:
        return str(error)
    # If unloading the model crashes, it should crash here.
    gc.collect()
    return ""


def _limit_self(parent: int) -> None:
    """End with the parent, close the standard streams, and yield the processor and memory to the server."""
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    silence = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(silence, number)
    os.nice(NICENESS)
    with suppress(OSError):  # some containers do not allow it
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _received(talk: socket.socket) -> bytes:
    with talk.makefile("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH), "big")
        return stream.read(length)
