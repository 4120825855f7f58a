"""The fork server as the server sees it: a process that is started when needed, and again if it has ended."""

import errno
import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock, Thread

from serving.load_trial.child import LENGTH
from serving.load_trial.limits import Limits
from serving.repository.loading.candidate import Candidate

MODULE = "serving.load_trial.fork_server"
"""What it runs."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""What keeps numpy from starting threads when it is imported: a process that has some is not to be forked."""


class ForkServerProcess:
    """A fork_server.

    Args:
        artefacts: What its children open; the runtimes for that are imported first.
    """

    def __init__(self, artefacts: Sequence[str]) -> None:
        self._artefacts = tuple(artefacts)
        self._control: socket.socket | None = None
        self._closed = False
        self._starting = Lock()

    def start(self) -> socket.socket:
        """Start it, unless it runs; its imports go on by themselves.

        Returns:
            What leads to it.

        Raises:
            OSError: The system has no room for it.
        """
        with self._starting:
            if self._closed:
                raise OSError(errno.ESHUTDOWN, "the server is stopping")
            if self._control is None:
                self._control = self._started()
            return self._control

    def begin(self, candidate: Candidate, limits: Limits) -> socket.socket:
        """Have a trial begun.

        Returns:
            Where its verdict comes; if nothing comes before its end, the fork_server is gone.

        Raises:
            OSError: The system has no room for it.
        """
        data = pickle.dumps(candidate)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._send(json.dumps({"seconds": limits.seconds, "memory": limits.most_memory}), theirs)
            # If the fork_server is gone, whoever waits for the verdict sees that.
            with suppress(ConnectionError):
                ours.sendall(len(data).to_bytes(LENGTH, "big") + data)
        except BaseException:
            ours.close()
            raise
        return ours

    def close(self) -> None:
        """Let it end, and with it the trials that it began; there is no other after it."""
        with self._starting:
            self._closed = True
            if self._control is not None:
                self._control.close()
                self._control = None

    def _send(self, request: str, talk: socket.socket) -> None:
        for _ in range(2):
            control = self.start()
            try:
                socket.send_fds(control, [request.encode()], [talk.fileno()])
            except ConnectionError:
                # It had nothing to do for long, or was ended by somebody.
                self._forget(control)
            else:
                return
        raise OSError(errno.ECHILD, "the process for trials ends as soon as it starts")

    def _forget(self, control: socket.socket) -> None:
        """Go on without one that is gone, unless another thread has noticed already."""
        with self._starting:
            if self._control is control:
                control.close()
                self._control = None

    def _started(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE, str(theirs.fileno()), ",".join(self._artefacts)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # What a terminal's Ctrl-C goes to is the server.
                process_group=0,
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        # Nobody else asks how it ended.
        Thread(target=process.wait, name="fork-server", daemon=True).start()
        return ours
