"""A worker as the supervisor sees it: a process, a channel to it, and the counts that it last sent."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from serving.server.options import FrontEnd
from serving.workers.channel import Channel, Handler
from serving.workers.metric_totals import WorkerCounts

MODULE = "serving.commands.worker"
"""The module that a worker process runs."""

EXIT_SECONDS = 2.0
"""Seconds that a process may take to exit after its channel was closed."""


class WorkerProcess:
    """A worker.

    Args:
        index: Its number among the workers, from 1.
        process: The process.
        channel: The channel to it.

    Attributes:
        ended: Done when the process has ended, with its exit code.
        counts: Its counts when it was last asked.
        models: How many models it serves; set when it listens.
        listening: When it began to listen, on the clock of :func:`time.monotonic`; None before.
    """

    def __init__(self, index: int, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.index = index
        self._process = process
        self._channel = channel
        self._reading = asyncio.create_task(channel.run())
        self.ended: asyncio.Task[int] = asyncio.create_task(process.wait())
        self.counts = WorkerCounts("", [])
        self.models = 0
        self.listening: float | None = None

    @classmethod
    async def start(cls, index: int, frontend: FrontEnd, handlers: Mapping[str, Handler]) -> "WorkerProcess":
        """Start a process, in a process group of its own, so that Ctrl-C in a terminal reaches only the supervisor.

        Raises:
            OSError: The system has no memory or no file descriptors for it.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await _process(theirs.fileno(), frontend)
            except BaseException:
                ours.close()
                raise
        try:
            return cls(index, process, await Channel.over(ours, handlers))
        except asyncio.CancelledError:
            process.kill()
            raise

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def seconds(self) -> float:
        """How long it has listened."""
        return 0.0 if self.listening is None else monotonic() - self.listening

    async def call(self, name: str, /, **arguments: object) -> Any:  # noqa: ANN401  any JSON value
        """Call it; see :meth:`~serving.workers.channel.Channel.call`."""
        return await self._channel.call(name, **arguments)

    async def listen(self) -> None:
        """Have it listen for clients."""
        self.models = await self.call("listen")
        self.listening = monotonic()

    async def count(self) -> None:
        """Ask for its counts; an answer also shows that it does not hang."""
        answer = await self.call("count")
        self.counts = WorkerCounts(answer["metrics"], [tuple(each) for each in answer["statistics"]])

    def signal(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait until the process has ended; its exit code. Cancelling this does not cancel ``ended``."""
        await asyncio.wait((self.ended,))
        return self.ended.result()

    async def death(self) -> str:
        """Wait until the process has ended, and say how. It is killed if it does not exit by itself."""
        await asyncio.wait((self.ended,), timeout=EXIT_SECONDS)
        self.signal()
        code = await self.wait()
        if code >= 0:
            return f"ended with exit code {code}"
        return f"was ended by {signal.Signals(-code).name}"


async def _process(channel: int, frontend: FrontEnd) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        MODULE,
        str(channel),
        frontend.value,
        stdin=asyncio.subprocess.DEVNULL,
        pass_fds=(channel,),
        process_group=0,
        # It imports modules from the same folders as this process, and from no other.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
