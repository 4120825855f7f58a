"""Load trials for all workers: one worker tries a version, and the others use its result.

So every version is tried once, and an operation takes no longer than loading what can be loaded: it never waits for
the trial of another operation.
"""

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any, TypeAlias

from serving.errors import ServingError
from serving.workers.channel import ChannelClosedError
from serving.workers.worker_process import WorkerProcess

JsonObject: TypeAlias = dict[str, Any]

FIRST = 1
"""The index of the worker that runs the trials at the start; its fork server is started in advance."""


class SharedTrials:
    """The trials that workers run for each other.

    Attributes:
        outcome: All results, and the trials that still run; see :meth:`serving.workers.worker.Worker.dry_run`.
        unfinished: The models whose trials still run; they must be refreshed again.
    """

    def __init__(self) -> None:
        self.outcome: JsonObject = {}
        self.unfinished: list[str] = []
        self._started = asyncio.Event()

    async def at_start(self, worker: WorkerProcess) -> None:
        """Have the first worker try what all workers load at the start; the others wait for its results.

        Raises:
            ServingError: There is nothing to serve.
            ChannelClosedError: The worker ended.
        """
        if self._started.is_set():
            return
        if worker.index != FIRST:
            await self._started.wait()
            return
        self.outcome = await worker.call("dry_run")
        self.unfinished = [*self.outcome.get("running", ())]
        self._started.set()

    async def before_call(self, workers: Iterable[WorkerProcess], method: str, request: str) -> None:
        """Have one worker try what a call will load.

        Args:
            workers: Those that may be asked.
            method: The call's full name.
            request: Its message, in base64.
        """
        await self._run(workers, method=method, request=request)

    async def before_refresh(self, workers: Iterable[WorkerProcess], only: Collection[str] | None) -> None:
        """Have one worker try what a refresh will load.

        Args:
            workers: Those that may be asked.
            only: The models to refresh; None for all.
        """
        await self._run(workers, only=None if only is None else [*only])
        # Not the models that a request is loading: their configs may be the request's own.
        self.unfinished = [name for name in self.outcome.get("running", ()) if only is None or name in only]

    async def _run(self, workers: Iterable[WorkerProcess], **what: object) -> None:
        # In the order of their indices: the first worker has a fork server already.
        for worker in sorted(workers, key=lambda each: each.index):
            with suppress(ChannelClosedError, ServingError):
                self.outcome = await worker.call("dry_run", **what)
                return
