"""The fork server: a process that has imported the runtimes and forks a child for each trial, which saves the import.

    python -m serving.trial_load.fork_server FILE RUNTIMES

FILE is the file descriptor of a socket to the server. Each message on it is a request, with a socket that is passed
on to the child. The process has one thread, so that forking it is safe, and opens no model itself. It exits when the
server does, or after a while without requests.
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
from serving.runtimes import memory
from serving.trial_load import child

GLANCE = 0.02
"""Seconds between two checks of the time and memory of children."""

BREATH = 0.5
"""Seconds between two checks whether the server still runs, while libraries are imported."""

IDLE = 60.0
"""Seconds without a trial after which the process exits, to free its memory."""

LARGEST = 4096
"""Most bytes of a request."""


@dataclass(slots=True)
class Child:
    """A child process and its limits.

    Attributes:
        talk: The socket to the server.
        until: When its time is over, on the clock of :func:`time.monotonic`.
        most: Most bytes that it may have in memory.
        ended: Which limit it exceeded and was killed for, ``time`` or ``memory``; empty for none.
    """

    talk: socket.socket
    until: float
    most: int
    ended: str = ""


class ForkServer:
    """Forks children and watches them.

    Args:
        control: The socket to the server.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, Child] = {}
        self._wake, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._waking = wake

    def run(self) -> None:
        """Serve requests, until the server has exited or has sent none for a while."""
        while True:
            wait = GLANCE if self._children else IDLE
            ready, _, _ = select.select([self._control.fileno(), self._wake], [], [], wait)
            if self._wake in ready:
                os.read(self._wake, LARGEST)
            if self._control.fileno() in ready and not self._fork_child():
                break
            if not ready and not self._children:
                break
            self._check_children()
        for process in self._children:
            os.kill(process, signal.SIGKILL)

    def _fork_child(self) -> bool:
        """Fork a child for the next request; False if the server has exited."""
        message, files, _, _ = socket.recv_fds(self._control, LARGEST, 1)
        if not message:
            return False
        request, talk = json.loads(message), socket.socket(fileno=files[0])
        parent = os.getpid()
        process = os.fork()
        if not process:
            self._become_child(talk, parent)
        most = memory.resident(parent) + request["memory"]
        self._children[process] = Child(talk, monotonic() + request["seconds"], most)
        return True

    def _become_child(self, talk: socket.socket, parent: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._control, *(other.talk for other in self._children.values())):
            each.close()
        os.close(self._wake)
        os.close(self._waking)
        child.run(talk, parent)

    def _check_children(self) -> None:
        """Kill children that exceed a limit, and report those that ended without a result."""
        now = monotonic()
        for process, watched in [*self._children.items()]:
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                del self._children[process]
                with watched.talk:
                    if code := os.waitstatus_to_exitcode(status):
                        _report(watched.talk, {"ended": watched.ended, "code": code})
            elif not watched.ended:
                over = now > watched.until
                if over or memory.resident(process) > watched.most:
                    watched.ended = "time" if over else "memory"
                    os.kill(process, signal.SIGKILL)


def _report(talk: socket.socket, result: dict[str, object]) -> None:
    try:
        talk.sendall(json.dumps(result).encode() + b"\n")
    except OSError:
        # The server no longer waits for it.
        return


@contextmanager
def _ending_with(parent: int) -> Iterator[None]:
    """Exit when the server does, also during an import, which can take long."""

    def look(*_: object) -> None:
        if os.getppid() != parent:
            os._exit(0)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, BREATH, BREATH)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> int:
    """Import the runtimes and serve requests; see the module.

    Returns:
        The exit code.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # No object that is imported is ever freed: nothing need traverse them, and children keep sharing their memory.
    gc.disable()
    with _ending_with(os.getppid()):
        for name in sys.argv[2].split(","):
            runtimes.prepare(name)
    gc.freeze()
    gc.enable()
    ForkServer(socket.socket(fileno=int(sys.argv[1]))).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
