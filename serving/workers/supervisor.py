"""Serves with several worker processes: starts them, keeps them running, and ends them.

This process imports neither gRPC nor a runtime, so that nothing that a model or a client does can end it.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from functools import partial

from serving.errors import StartupError
from serving.metrics.family import family
from serving.metrics.http_endpoint import MetricsServer
from serving.server.start_line import start_line
from serving.transport.listen_address import host_and_port
from serving.workers.coordinator import Coordinator
from serving.workers.options import SupervisorOptions
from serving.workers.port_reservation import reserve
from serving.workers.worker_process import WorkerProcess
from serving.workers.worker_slot import BEAT, START_ERRORS, WorkerSlot

log = logging.getLogger(__name__)

MARGIN = 5.0
"""Seconds that workers have for ending, beyond the time that they take by their own options."""


class Supervisor:
    """Keeps the workers running.

    Args:
        options: The options.
        port: The port that the workers share.

    Attributes:
        failed: Whether the workers are no longer kept running, because of a fault here.
        lost: Called when that happens.
        told: The first signal that was passed on; 0 for none.
    """

    def __init__(self, options: SupervisorOptions, port: int) -> None:
        self._options = options
        self._coordinator = Coordinator()
        self._slots = [
            WorkerSlot(index + 1, options, port, self._coordinator) for index in range(options.workers)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self.failed = False
        self.told = 0
        self.lost: Callable[[], None] = lambda: None

    async def start(self) -> int:
        """Start all workers.

        Returns:
            How many models they serve.

        Raises:
            StartupError: One cannot start; none is left.
        """
        starting = [asyncio.create_task(slot.start()) for slot in self._slots]
        try:
            workers = await asyncio.gather(*starting)
        except START_ERRORS as error:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            await self.end()
            if isinstance(error, StartupError):
                raise
            raise StartupError(f"a worker could not start: it {error}") from error
        self._tasks = [
            asyncio.create_task(slot.keep(worker)) for slot, worker in zip(self._slots, workers, strict=True)
        ]
        self._tasks.append(asyncio.create_task(self._refresh_after_trials()))
        if self._options.poll_seconds is not None:
            self._tasks.append(asyncio.create_task(self._poll(self._options.poll_seconds)))
        for each in self._tasks:
            each.add_done_callback(self._task_ended)
        return workers[0].models

    async def metrics(self) -> str:
        """The metrics of the workers, and those about the workers themselves."""
        listening = len(self._coordinator.members)
        replaced = sum(slot.replaced for slot in self._slots)
        return await self._coordinator.metrics() + "".join(
            family(name, kind, about, [({}, value)])
            for name, kind, about, value in (
                ("plainserve_workers", "gauge", "workers there are to be", self._options.workers),
                ("plainserve_workers_ready", "gauge", "workers that answer requests", listening),
                ("plainserve_workers_replaced_total", "counter", "workers that ended", replaced),
            )
        )

    def signal(self, number: int) -> None:
        """Pass a signal on. A worker that does not listen yet has accepted nothing and is killed."""
        self.told = self.told or number
        for task in self._tasks:
            task.cancel()
        for each in self._processes():
            each.signal(number if each.listening is not None else signal.SIGKILL)

    async def end(self, patience: float = 0.0) -> bool:
        """Wait for the workers to end, and kill those that do not.

        Args:
            patience: Most seconds to wait.

        Returns:
            Whether each worker had answered what it accepted.
        """
        left = self._processes()
        for each in left:
            if each.listening is None:
                each.signal()
        if left and patience:
            await asyncio.wait([each.ended for each in left], timeout=patience)
        for each in left:
            each.signal()
        codes = {each: await each.wait() for each in left}
        return not any(codes[each] for each in left if each.listening is not None)

    def _processes(self) -> list[WorkerProcess]:
        """The workers that are starting or listening."""
        return [slot.process for slot in self._slots if slot.process is not None]

    def _task_ended(self, task: "asyncio.Task[None]") -> None:
        """Called when a task ended that should run until it is cancelled."""
        if not task.cancelled():
            log.error("keeping the workers failed; ending", exc_info=task.exception())
            self.failed = True
            self.lost()

    async def _refresh_after_trials(self) -> None:
        """Refresh the models whose trials were still running when all the others were loaded."""
        while True:
            await asyncio.sleep(BEAT)
            if unfinished := self._coordinator.trials.unfinished:
                await self._coordinator.refresh(unfinished)

    async def _poll(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._coordinator.refresh()


async def supervise(options: SupervisorOptions, announce: Callable[[str], None]) -> bool:
    """Serve with several workers until SIGTERM or SIGINT. Every signal is passed on to the workers.

    Args:
        options: The options.
        announce: Called once every worker answers requests, with a line that says what is served where.

    Returns:
        Whether all that was accepted was answered and no model runs any more.

    Raises:
        StartupError: The workers cannot start.
        KeyboardInterrupt: SIGINT came before they served, as in a process without workers.
    """
    with reserve(options.host, options.port) as held:
        port: int = held.getsockname()[1]
        supervisor = Supervisor(options, port)
        stop = _pass_signals_on(supervisor)
        metrics = MetricsServer(supervisor.metrics)
        if options.metrics_port is not None:
            chosen = await metrics.start(options.host, options.metrics_port)
            log.info("metrics at http://%s:%d/metrics", options.host, chosen)
        try:
            starting, stopping = asyncio.create_task(supervisor.start()), asyncio.create_task(stop.wait())
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            interrupted = supervisor.told == signal.SIGINT
            if not stop.is_set():
                models = await starting
                address = host_and_port(options.host, held.getsockname()[1])
                announce(start_line(models, options.frontend, address))
                await stop.wait()
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            drained = await supervisor.end(options.stop_seconds + MARGIN) and not supervisor.failed
            if interrupted:
                raise KeyboardInterrupt
            return drained
        finally:
            metrics.close()


def _pass_signals_on(supervisor: Supervisor) -> asyncio.Event:
    """Pass signals on to the workers. A supervisor that fails ends them as SIGINT does.

    Returns:
        An event that the first signal sets.
    """
    stop = asyncio.Event()

    def arrived(number: int) -> None:
        supervisor.signal(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, arrived, number)
    supervisor.lost = partial(arrived, signal.SIGINT)
    return stop
