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

from serving.repository.loading.candidate import Candidate
from serving.trial_load.child import LENGTH
from serving.trial_load.limits import Limits

MODULE = "serving.trial_load.fork_server"
"""The module that the process runs."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Keeps numpy from starting threads when it is imported, because forking a process with threads is unsafe."""


class ForkServerProcess:
    """A fork server.

    Args:
        artefacts: The names of the artefacts that its children open; it imports the runtimes for these.
    """

    def __init__(self, artefacts: Sequence[str]) -> None:
        self._artefacts = tuple(artefacts)
        self._control: socket.socket | None = None
        self._closed = False
        self._starting = Lock()

    def start(self) -> socket.socket:
        """Start the process unless it runs. It imports the runtimes in the background.

        Returns:
            The socket to it.

        Raises:
            OSError: The system cannot create a process.
        """
        with self._starting:
            if self._closed:
                raise OSError(errno.ESHUTDOWN, "the server is stopping")
            if self._control is None:
                self._control = self._started()
            return self._control

    def begin(self, candidate: Candidate, limits: Limits) -> socket.socket:
        """Start a trial.

        Returns:
            The socket on which the result arrives. If it is closed without one, the fork server has ended.

        Raises:
            OSError: The system cannot create a process.
        """
        data = pickle.dumps(candidate)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._send(json.dumps({"seconds": limits.seconds, "memory": limits.most_memory}), theirs)
            # If the fork server has ended, the caller finds that out when it waits for the result.
            with suppress(ConnectionError):
                ours.sendall(len(data).to_bytes(LENGTH, "big") + data)
        except BaseException:
            ours.close()
            raise
        return ours

    def close(self) -> None:
        """End the process and its trials. It is not started again."""
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
                # It exited after a while without trials, or was killed.
                self._forget(control)
            else:
                return
        raise OSError(errno.ECHILD, "the process for trials ends as soon as it starts")

    def _forget(self, control: socket.socket) -> None:
        """Forget a process that has ended, unless another thread has done so already."""
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
                # Ctrl-C in a terminal reaches only the server.
                process_group=0,
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        # Reaps the process when it ends.
        Thread(target=process.wait, name="fork-server", daemon=True).start()
        return ours
