"""A worker as its supervisor sees it: a process, a link to it, and what it last told."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from serving.workers.channel import Handler, Link
from serving.workers.metric_totals import Snapshot

MODULE = "serving.commands.worker"
"""What a worker runs."""

LAST_WORDS = 2.0
"""Seconds between the end of its link and the end of a process that ends by itself."""


class WorkerProcess:
    """A worker.

    Args:
        index: Its place among the workers, from 1.
        process: The process.
        link: What it is reached by.

    Attributes:
        ended: Done when the process has ended, with its exit code.
        snapshot: What it had counted when it was last asked.
        models: How many models it serves; set when it listens.
        listening: Since when it listens, on the clock of :func:`time.monotonic`; None before.
    """

    def __init__(self, index: int, process: asyncio.subprocess.Process, link: Link) -> None:
        self.index = index
        self._process = process
        self._link = link
        self._reading = asyncio.create_task(link.run())
        self.ended: asyncio.Task[int] = asyncio.create_task(process.wait())
        self.snapshot = Snapshot("", [])
        self.models = 0
        self.listening: float | None = None

    @classmethod
    async def start(cls, index: int, handlers: Mapping[str, Handler]) -> "WorkerProcess":
        """Start a process, in a process group of its own: a terminal's Ctrl-C goes to the supervisor alone.

        Raises:
            OSError: The system has no room for it.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await _process(theirs.fileno())
            except BaseException:
                ours.close()
                raise
        try:
            return cls(index, process, await Link.over(ours, handlers))
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

    async def call(self, name: str, /, **arguments: object) -> Any:  # noqa: ANN401  whatever JSON holds
        """Have it do something; see :meth:`~serving.workers.channel.Link.call`."""
        return await self._link.call(name, **arguments)

    async def listen(self) -> None:
        """Let clients reach it."""
        self.models = await self.call("listen")
        self.listening = monotonic()

    async def count(self) -> None:
        """Ask what it has counted; that it answers shows that it lives."""
        told = await self.call("count")
        self.snapshot = Snapshot(told["metrics"], [tuple(each) for each in told["statistics"]])

    def signal(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait until the process has ended; its exit code. Giving up waiting does not touch ``ended``."""
        await asyncio.wait((self.ended,))
        return self.ended.result()

    async def death(self) -> str:
        """Wait until the process has ended, and say how. One that cannot be reached any more is made to."""
        await asyncio.wait((self.ended,), timeout=LAST_WORDS)
        self.signal()
        code = await self.wait()
        if code >= 0:
            return f"ended with exit code {code}"
        return f"was ended by {signal.Signals(-code).name}"


async def _process(link: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        MODULE,
        str(link),
        stdin=asyncio.subprocess.DEVNULL,
        pass_fds=(link,),
        process_group=0,
        # It finds its modules where we found ours, and in no other folder.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
