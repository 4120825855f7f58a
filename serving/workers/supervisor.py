"""Starts the workers, watches them, replaces those that end or hang, and ends them.

It imports neither gRPC nor a runtime: nothing that a model or a client does can end it.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from serving.errors import ServingError, StartupError
from serving.metrics.family import family
from serving.metrics.http_endpoint import MetricsServer
from serving.workers.channel import Handler, LinkLostError
from serving.workers.coordinator import Crew, UnfitError
from serving.workers.port_reservation import reserve
from serving.workers.restart_backoff import Backoff
from serving.workers.worker_process import WorkerProcess

log = logging.getLogger(__name__)

BEAT = 1.0
"""Seconds between two looks at a worker."""

PATIENCE = 5
"""Beats that a worker may leave unanswered before it counts as hanging."""

PATIENCE_LOADING = 60
"""The same while models are loaded: libraries hold the interpreter while they read a large file."""

MARGIN = 5.0
"""Seconds that workers have at the end beyond those they take for themselves."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the person who starts the workers decides.

    Attributes:
        workers: How many there are.
        host: The address to listen on.
        port: The port; 0 for any free one.
        metrics_port: The port for metrics; 0 for any free one, None for none.
        poll_seconds: How often the repository is looked at; None for never.
        stop_seconds: Most time that a worker takes to end when it is told to.
        arguments: The command line, which each worker reads for all else.
    """

    workers: int
    host: str
    port: int
    metrics_port: int | None
    poll_seconds: float | None
    stop_seconds: float
    arguments: tuple[str, ...]


class Supervisor:
    """Keeps the workers.

    Args:
        plan: What was decided.
        port: The port they share.

    Attributes:
        failed: Whether they are not kept any more, because of a fault here.
        lost: Called when that happens.
        told: The first signal that was passed on; 0 for none.
    """

    def __init__(self, plan: Plan, port: int) -> None:
        self._plan = plan
        self._port = port
        self._crew = Crew()
        self._processes: set[WorkerProcess] = set()
        self._replaced = 0
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
        starting = [asyncio.create_task(self._bring_up(index + 1)) for index in range(self._plan.workers)]
        try:
            workers = await asyncio.gather(*starting)
        except (LinkLostError, UnfitError, ServingError) as error:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            await self.end()
            if isinstance(error, StartupError):
                raise
            raise StartupError(f"a worker could not start: it {error}") from error
        self._tasks = [asyncio.create_task(self._keep(each)) for each in workers]
        self._tasks.append(asyncio.create_task(self._look_again()))
        if self._plan.poll_seconds is not None:
            self._tasks.append(asyncio.create_task(self._poll(self._plan.poll_seconds)))
        for each in self._tasks:
            each.add_done_callback(self._over)
        return workers[0].models

    async def metrics(self) -> str:
        """What the workers measured, and how they stand themselves."""
        listening = len(self._crew.members)
        return await self._crew.metrics() + "".join(
            family(name, kind, about, [({}, value)])
            for name, kind, about, value in (
                ("plainserve_workers", "gauge", "workers there are to be", self._plan.workers),
                ("plainserve_workers_ready", "gauge", "workers that answer requests", listening),
                ("plainserve_workers_replaced_total", "counter", "workers that ended", self._replaced),
            )
        )

    def signal(self, number: int) -> None:
        """Pass a signal on. A worker that does not listen yet has accepted nothing and ends at once."""
        self.told = self.told or number
        for task in self._tasks:
            task.cancel()
        for each in self._processes:
            each.signal(number if each.listening is not None else signal.SIGKILL)

    async def end(self, patience: float = 0.0) -> bool:
        """Wait for the workers to end, and end those that do not.

        Returns:
            Whether each of them had answered what it accepted.
        """
        left = [*self._processes]
        for each in left:
            if each.listening is None:
                each.signal()
        if left and patience:
            await asyncio.wait([each.ended for each in left], timeout=patience)
        for each in left:
            each.signal()
        codes = {each: await each.wait() for each in left}
        return not any(codes[each] for each in left if each.listening is not None)

    async def _bring_up(self, index: int) -> WorkerProcess:
        """Start a worker and let it listen."""
        calls: dict[str, Handler] = {"administer": self._crew.administer, "statistics": self._crew.statistics}
        try:
            worker = await WorkerProcess.start(index, calls)
        except OSError as error:
            # Of memory, or of open files; there may be more later.
            raise LinkLostError(f"got no process: {error.strerror}") from error
        self._processes.add(worker)
        try:
            await worker.call(
                "prepare",
                arguments=self._plan.arguments,
                index=index,
                workers=self._plan.workers,
                port=self._port,
            )
            await self._crew.begin(worker)
            standing = await worker.call("start", standing=self._crew.standing, findings=self._crew.findings)
            await self._crew.adopt(worker, standing)
        except LinkLostError:
            how = await worker.death()
            self._processes.discard(worker)
            raise LinkLostError(f"{how} before it was ready") from None
        except (UnfitError, ServingError):
            worker.signal()
            await worker.wait()
            self._processes.discard(worker)
            raise
        return worker

    async def _keep(self, worker: WorkerProcess) -> None:
        """Watch a worker, and whoever takes its place."""
        backoff, index, present = Backoff(), worker.index, worker
        while True:
            reason = await self._watch(present)
            self._crew.leave(present)
            self._processes.discard(present)
            worked = present.seconds
            while True:
                await self._pause(index, reason, backoff, worked)
                try:
                    present = await self._bring_up(index)
                except (LinkLostError, UnfitError, ServingError) as error:
                    reason, worked = str(error), 0.0
                else:
                    break
            log.warning("worker %d is back, as process %d", index, present.pid)

    async def _pause(self, index: int, reason: str, backoff: Backoff, worked: float) -> None:
        self._replaced += 1
        pause = backoff.pause(worked)
        again = f", {backoff.failures} in a row" if backoff.failures > 1 else ""
        log.error("worker %d %s%s; the next starts in %g s", index, reason, again, pause)
        await asyncio.sleep(pause)

    async def _watch(self, worker: WorkerProcess) -> str:
        """Wait until a worker has ended, which one that hangs is made to.

        Beats are counted, not seconds: if the whole machine stood still, no worker is to blame.

        Returns:
            What became of it.
        """
        missed, asked = 0, asyncio.create_task(worker.count())
        try:
            while not worker.ended.done():
                await asyncio.wait((worker.ended, asked), timeout=BEAT, return_when=asyncio.FIRST_COMPLETED)
                if not asked.done():
                    missed += 1
                elif not worker.ended.done():
                    try:
                        await asked
                        missed = 0
                    except LinkLostError:
                        # It sees that too, and ends, unless it hangs.
                        missed += 1
                    except ServingError:
                        missed = 0
                    await asyncio.wait((worker.ended,), timeout=BEAT)
                    asked = asyncio.create_task(worker.count())
                if missed >= (PATIENCE_LOADING if self._crew.busy else PATIENCE):
                    worker.signal()
                    await worker.wait()
                    return f"did not answer for {missed * BEAT:g} s and was ended"
        finally:
            # A question that its worker took along must not be a traceback in the log.
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        return await worker.death()

    def _over(self, task: "asyncio.Task[None]") -> None:
        """A task that is to go on until it is cancelled is over."""
        if not task.cancelled():
            log.error("keeping the workers failed; ending", exc_info=task.exception())
            self.failed = True
            self.lost()

    async def _look_again(self) -> None:
        """Have what is still tried, since the start or since a poll, loaded when that is over."""
        while True:
            await asyncio.sleep(BEAT)
            if late := self._crew.late:
                await self._crew.refresh(late)

    async def _poll(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._crew.refresh()


async def supervise(plan: Plan, announce: Callable[[str], None]) -> bool:
    """Serve with several workers until SIGTERM or SIGINT, which they are told, as each further one.

    Args:
        plan: What was decided.
        announce: Told, once every worker answers requests, what is served where.

    Returns:
        Whether all that was accepted was answered and no model runs any more.

    Raises:
        StartupError: The workers cannot start.
        KeyboardInterrupt: SIGINT came before they served, as in a process that has no workers.
    """
    with reserve(plan.host, plan.port) as held:
        port: int = held.getsockname()[1]
        supervisor = Supervisor(plan, port)
        stop = _passing_on(supervisor)
        metrics = MetricsServer(supervisor.metrics)
        if plan.metrics_port is not None:
            chosen = await metrics.start(plan.host, plan.metrics_port)
            log.info("metrics at http://%s:%d/metrics", plan.host, chosen)
        try:
            starting, stopping = asyncio.create_task(supervisor.start()), asyncio.create_task(stop.wait())
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            interrupted = supervisor.told == signal.SIGINT
            if not stop.is_set():
                models = await starting
                announce(f"Serving {models} model{'' if models == 1 else 's'} on {_shown(held, plan.host)}")
                await stop.wait()
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            drained = await supervisor.end(plan.stop_seconds + MARGIN) and not supervisor.failed
            if interrupted:
                raise KeyboardInterrupt
            return drained
        finally:
            metrics.close()


def _passing_on(supervisor: Supervisor) -> asyncio.Event:
    """Have signals passed on; the event is set by the first. A supervisor that fails ends as of SIGINT."""
    stop = asyncio.Event()

    def arrived(number: int) -> None:
        supervisor.signal(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, arrived, number)
    supervisor.lost = partial(arrived, signal.SIGINT)
    return stop


def _shown(held: socket.socket, host: str) -> str:
    return f"{f'[{host}]' if ':' in host else host}:{held.getsockname()[1]}"
