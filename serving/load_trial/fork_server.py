"""A process that has the runtimes imported and forks a child for each trial, so that a trial costs no import.

    python -m serving.load_trial.fork_server FILE RUNTIMES

FILE is the number of an open socket, which leads to the server. Each message on it is a request with a socket of its
own, which becomes the child's. The process has one thread, so that forking it is safe, and opens no model itself. It
ends when the server does, or when nothing was asked for a while.
"""

import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from serving import runtimes
from serving.load_trial import child
from serving.runtimes import memory

GLANCE = 0.02
"""Seconds between two looks at what children take."""

BREATH = 0.5
"""Seconds between two looks whether the server still lives while libraries are imported."""

IDLE = 60.0
"""Seconds without a trial after which the process is not worth its memory."""

LARGEST = 4096
"""Bytes of a request."""


@dataclass(slots=True)
class Watched:
    """A child.

    Attributes:
        talk: What leads to the server.
        until: When its time is over, on the clock of :func:`time.monotonic`.
        most: Bytes that it may have in memory.
        ended: Why it was ended from here; empty if it was not.
    """

    talk: socket.socket
    until: float
    most: int
    ended: str = ""


class ForkServer:
    """Forks children and watches them.

    Args:
        control: What leads to the server.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, Watched] = {}
        self._wake, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._waking = wake

    def run(self) -> None:
        """Do what the server asks, until it is gone or has asked nothing for a while."""
        while True:
            wait = GLANCE if self._children else IDLE
            ready, _, _ = select.select([self._control.fileno(), self._wake], [], [], wait)
            if self._wake in ready:
                os.read(self._wake, LARGEST)
            if self._control.fileno() in ready and not self._take():
                break
            if not ready and not self._children:
                break
            self._look()
        for process in self._children:
            os.kill(process, signal.SIGKILL)

    def _take(self) -> bool:
        """Fork a child for the next request; whether there was one."""
        message, files, _, _ = socket.recv_fds(self._control, LARGEST, 1)
        if not message:
            return False
        request, talk = json.loads(message), socket.socket(fileno=files[0])
        parent = os.getpid()
        process = os.fork()
        if not process:
            self._become_child(talk, parent)
        most = memory.resident(parent) + request["memory"]
        self._children[process] = Watched(talk, monotonic() + request["seconds"], most)
        return True

    def _become_child(self, talk: socket.socket, parent: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._control, *(other.talk for other in self._children.values())):
            each.close()
        os.close(self._wake)
        os.close(self._waking)
        child.run(talk, parent)

    def _look(self) -> None:
        """End what takes too much, and tell of those that ended without a verdict."""
        now = monotonic()
        for process, watched in [*self._children.items()]:
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                del self._children[process]
                with watched.talk:
                    if code := os.waitstatus_to_exitcode(status):
                        _tell(watched.talk, {"ended": watched.ended, "code": code})
            elif not watched.ended:
                over = now > watched.until
                if over or memory.resident(process) > watched.most:
                    watched.ended = "time" if over else "memory"
                    os.kill(process, signal.SIGKILL)


def _tell(talk: socket.socket, verdict: dict[str, object]) -> None:
    try:
        talk.sendall(json.dumps(verdict).encode() + b"\n")
    except OSError:
        # The server did not wait for it.
        return


@contextmanager
def _ending_with(parent: int) -> Iterator[None]:
    """End with the server also during an import, which can take long."""

    def look(*_: object) -> None:
        if os.getppid() != parent:
            os._exit(0)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, BREATH, BREATH)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> int:
    """Prepare, and do what the server asks; see the module.

    Returns:
        The exit code.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with _ending_with(os.getppid()):
        for name in sys.argv[2].split(","):
            runtimes.prepare(name)
    # What lives now lives for ever: children do not go through it, and share its memory.
    gc.freeze()
    ForkServer(socket.socket(fileno=int(sys.argv[1]))).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
