"""The place of one worker: starts a process in it, watches the process, and starts another when it ends or hangs."""

import asyncio
import logging

from serving.errors import ServingError
from serving.workers.channel import ChannelClosedError, Handler
from serving.workers.coordinator import Coordinator, UnfitError
from serving.workers.options import SupervisorOptions
from serving.workers.restart_backoff import Backoff
from serving.workers.worker_process import WorkerProcess

log = logging.getLogger(__name__)

BEAT = 1.0
"""Seconds between two heartbeats."""

PATIENCE = 5
"""Heartbeats that a worker may miss before it counts as hanging."""

PATIENCE_LOADING = 60
"""The same while models are loaded: libraries hold the interpreter's lock while they read a large file."""

START_ERRORS = (ChannelClosedError, UnfitError, ServingError)
"""Why a worker could not start."""


class WorkerSlot:
    """The place of one worker.

    Args:
        index: Its number, from 1.
        options: The options of the supervisor.
        port: The port that all workers share.
        coordinator: The workers that listen.

    Attributes:
        process: The worker that is in the place, starting or listening; None between two of them.
        replaced: How many workers ended in this place.
    """

    def __init__(self, index: int, options: SupervisorOptions, port: int, coordinator: Coordinator) -> None:
        self.index = index
        self._options = options
        self._port = port
        self._coordinator = coordinator
        self._backoff = Backoff()
        self.process: WorkerProcess | None = None
        self.replaced = 0

    async def start(self) -> WorkerProcess:
        """Start a worker and let it listen.

        Raises:
            ChannelClosedError: The process could not be created, or ended.
            UnfitError: It cannot serve what the others serve.
            ServingError: It cannot load the models or listen.
        """
        coordinator = self._coordinator
        calls: dict[str, Handler] = {
            "administer": coordinator.administer,
            "statistics": coordinator.statistics,
        }
        try:
            worker = await WorkerProcess.start(self.index, self._options.frontend, calls)
        except OSError as error:
            # The system has no memory or no open files left; it may have some later.
            raise ChannelClosedError(f"got no process: {error.strerror}") from error
        self.process = worker
        try:
            await self._prepare(worker)
            await coordinator.trials.at_start(worker)
            state = await worker.call("start", state=coordinator.state, trials=coordinator.trials.outcome)
            await coordinator.adopt(worker, state)
        except ChannelClosedError:
            how = await worker.death()
            self.process = None
            raise ChannelClosedError(f"{how} before it was ready") from None
        except (UnfitError, ServingError):
            worker.signal()
            await worker.wait()
            self.process = None
            raise
        return worker

    async def keep(self, worker: WorkerProcess) -> None:
        """Watch the worker that was started, and every worker that takes its place; until cancelled."""
        while True:
            reason = await self.watch(worker)
            self._coordinator.leave(worker)
            self.process = None
            worker = await self._replacement(reason, worker.seconds)
            log.warning("worker %d is back, as process %d", self.index, worker.pid)

    async def watch(self, worker: WorkerProcess) -> str:
        """Wait until a worker has ended. One that hangs is killed.

        Missed heartbeats are counted, not seconds: if the whole machine stood still, the worker is not at fault.

        Returns:
            How it ended.
        """
        missed, asked = 0, asyncio.create_task(worker.count())
        try:
            while not worker.ended.done():
                await asyncio.wait((worker.ended, asked), timeout=BEAT, return_when=asyncio.FIRST_COMPLETED)
                if not asked.done():
                    missed += 1
                elif not worker.ended.done():
                    missed = 0 if await _answered(asked) else missed + 1
                    await asyncio.wait((worker.ended,), timeout=BEAT)
                    asked = asyncio.create_task(worker.count())
                if missed >= (PATIENCE_LOADING if self._coordinator.busy else PATIENCE):
                    worker.signal()
                    await worker.wait()
                    return f"did not answer for {missed * BEAT:g} s and was ended"
        finally:
            # Awaited, so that a heartbeat that failed with its worker is not a traceback in the log.
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        return await worker.death()

    async def _prepare(self, worker: WorkerProcess) -> None:
        await worker.call(
            "prepare",
            arguments=self._options.arguments,
            index=self.index,
            workers=self._options.workers,
            port=self._port,
        )

    async def _replacement(self, reason: str, worked: float) -> WorkerProcess:
        """Start a worker, again and again until one listens.

        Args:
            reason: How the previous worker ended.
            worked: How many seconds it had listened.
        """
        while True:
            await self._pause(reason, worked)
            try:
                return await self.start()
            except START_ERRORS as error:
                reason, worked = str(error), 0.0

    async def _pause(self, reason: str, worked: float) -> None:
        self.replaced += 1
        pause = self._backoff.pause(worked)
        failures = self._backoff.failures
        again = f", {failures} in a row" if failures > 1 else ""
        log.error("worker %d %s%s; the next starts in %g s", self.index, reason, again, pause)
        await asyncio.sleep(pause)


async def _answered(heartbeat: "asyncio.Task[None]") -> bool:
    """Whether a worker answered. One whose channel is closed did not: it should be ending, or else it hangs."""
    try:
        await heartbeat
    except ChannelClosedError:
        return False
    except ServingError:
        return True
    return True
