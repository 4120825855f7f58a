"""Runs trial loads, several at a time, and turns their results into reasons why a version cannot be served."""

import json
import logging
import signal
import socket
import sys
from contextlib import suppress
from threading import Semaphore
from time import monotonic
from typing import Any

from serving.errors import ModelLoadError
from serving.repository.loading.candidate import Candidate
from serving.runtimes import cpus
from serving.trial_load.fork_server_process import ForkServerProcess
from serving.trial_load.limits import MEBIBYTE, Limits

log = logging.getLogger(__name__)

SUPPORTED = sys.platform == "linux"
"""Whether this system has what a trial needs: prctl, /proc and SOCK_SEQPACKET."""

YOUNG = 3.0
"""Seconds after which the next trial may start although this one still runs: it may never end."""

GRACE = 60.0
"""Seconds beyond the time limit that a result may take, for imports and on a busy machine."""

MOST = 16
"""Most trials at a time, including those that run for long."""

LIGHT = ("model.onnx", "model.tflite")
HEAVY = ("model.savedmodel", "saved_model.pb")
"""Artefacts with a fork server of their own: importing TensorFlow takes seconds, and other trials must not wait."""


class TrialRunner:
    """Tries candidates in processes of their own. Callable from any thread; each call waits for the result.

    Args:
        limits: The limits of each trial.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._light, self._heavy = ForkServerProcess(LIGHT), ForkServerProcess(HEAVY)
        self._young, self._all = Semaphore(cpus.available()), Semaphore(MOST)

    def prepare(self) -> None:
        """Start the fork server that most trials need; it imports the runtimes while the server starts."""
        try:
            self._light.start()
        except OSError as error:
            # A trial tries again to start it, and reports the error.
            log.debug("no process for trials yet", exc_info=error)

    def __call__(self, candidate: Candidate) -> None:
        """Try a version.

        Raises:
            ModelLoadError: It cannot be served; the text says why, without paths.
        """
        fork_server = self._heavy if _is_heavy(candidate) else self._light
        for _ in range(2):
            try:
                result = self._result(fork_server, candidate)
            except OSError as error:
                raise ModelLoadError(
                    f"its trial got no process: {error.strerror or error}; ask again"
                ) from error
            if result is not None:
                if reason := result.get("reason", "") if "code" not in result else self._why_ended(result):
                    raise ModelLoadError(reason)
                return
            # The fork server exited or was killed; the trial starts again in the next one.
        raise ModelLoadError("its trial was ended by another process; ask again")

    def close(self) -> None:
        """End the trials that still run."""
        self._light.close()
        self._heavy.close()

    def _result(self, fork_server: ForkServerProcess, candidate: Candidate) -> dict[str, Any] | None:
        """The result of a trial; None if its fork server ended."""
        with self._all:
            self._young.acquire()
            try:
                until = monotonic() + self._limits.seconds + GRACE
                talk = fork_server.begin(candidate, self._limits)
                found = _line(talk, YOUNG)
            finally:
                self._young.release()
            with talk:
                found = _line(talk, until - monotonic()) if found is None else found
        if found is None:
            raise TimeoutError("nothing came of it in time")
        try:
            result: dict[str, Any] | None = json.loads(found) if found else None
        except ValueError:
            return {
                "reason": "its trial ended with a verdict that makes no sense; the file may be meant to harm"
            }
        return result

    def _why_ended(self, result: dict[str, Any]) -> str:
        """Why a trial ended without a result."""
        if result["ended"] == "time":
            return (
                f"its trial did not end within {self._limits.seconds:g} s; "
                "raise --load-timeout if it needs longer"
            )
        if result["ended"] == "memory":
            return (
                f"its trial took more than {self._limits.most_memory // MEBIBYTE} MiB of memory; "
                "raise --load-memory if it needs more"
            )
        code = int(result["code"])
        if -code == signal.SIGKILL:
            return "its trial was killed, most likely because the system has no memory left for it"
        how = f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
        return (
            f"loading it ended the trial process with {how}; "
            "the file is damaged or not meant for this runtime"
        )


def _is_heavy(candidate: Candidate) -> bool:
    # If the folder cannot be read, the trial reports that.
    with suppress(OSError):
        return any((candidate.folder / name).exists() for name in HEAVY)
    return False


def _line(talk: socket.socket, seconds: float) -> bytes | None:
    """The line that arrives within a time; empty if the other side has closed, None if the time ran out."""
    talk.settimeout(max(0.01, seconds))
    found = b""
    try:
        while not found.endswith(b"\n"):
            part = talk.recv(4096)
            if not part:
                return b""
            found += part
    except TimeoutError:
        return None
    except ConnectionError:
        return b""
    return found
