"""Keeps all workers in the same state: every operation that changes a server is done by all, in the same order.

An operation is sent to all workers at once and is complete when all have answered. If some succeed and others fail,
the result of those that succeeded counts: the others restore the state that these now have, and a worker that cannot
is replaced. A worker that starts restores the state of the others before it listens.

What an operation loads is tried before it begins (:mod:`serving.workers.shared_trials`).
"""

import asyncio
import logging
import signal
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from serving.errors import ServingError, UnavailableError
from serving.workers.channel import ChannelClosedError
from serving.workers.metric_totals import Counted, WorkerTotals
from serving.workers.shared_trials import SharedTrials
from serving.workers.worker_process import WorkerProcess

log = logging.getLogger(__name__)

JsonObject: TypeAlias = dict[str, Any]

LOADS = frozenset(
    {
        "/inference.GRPCInferenceService/RepositoryModelLoad",
        "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
    }
)
"""The calls that load models."""

FRESH = 1.0
"""Most seconds to wait for the counts of a worker; after that, the counts it last sent are used."""


class UnfitError(Exception):
    """A worker cannot restore the state of the others."""


class Coordinator:
    """The workers that listen.

    Attributes:
        members: The workers.
        state: The state that all have (:mod:`serving.server.state_snapshot`); None before the first has started.
        trials: The trial loads that they share.
    """

    def __init__(self) -> None:
        self.members: list[WorkerProcess] = []
        self.state: JsonObject | None = None
        self.trials = SharedTrials()
        self._leaving: list[WorkerProcess] = []
        self._totals = WorkerTotals()
        self._order = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether an operation is in progress; models may be loading."""
        return self._order.locked()

    async def adopt(self, worker: WorkerProcess, state: JsonObject) -> None:
        """Bring a worker that has started to the state of the others, and let it listen.

        Args:
            worker: The worker.
            state: The state that it has.

        Raises:
            UnfitError: It cannot serve what the others serve.
            ServingError: It cannot listen.
            ChannelClosedError: It ended.
        """
        async with self._order:
            if self.state is None:
                self.state = state
            elif state != self.state:
                state = await worker.call("restore", state=self.state)
            if state != self.state:
                await self._follow(state)
            await worker.listen()
            self.members.append(worker)

    def leave(self, worker: WorkerProcess) -> None:
        """Continue without a worker that ended, and keep its counts."""
        for each in (self.members, self._leaving):
            if worker in each:
                each.remove(worker)
                self._totals.retire(worker.counts)

    async def administer(self, method: str, request: str) -> JsonObject:
        """Have every worker do an administrative call that a client sent to one of them.

        Args:
            method: Its full name.
            request: Its message, in base64.

        Returns:
            The outcome of one worker on behalf of all: ``response``, or ``error`` and ``text``.

        Raises:
            UnavailableError: Every worker ended before it was done.
        """
        if method in LOADS:
            await self.trials.before_call(self.members, method, request)
        async with self._order:
            outcomes = await self._ask(
                self.members, "apply", method=method, request=request, trials=self.trials.outcome
            )
            if not outcomes:
                raise UnavailableError("every worker ended meanwhile; ask again")
            decided = next((each for each in outcomes.values() if "response" in each), None)
            decided = decided or next(iter(outcomes.values()))
            await self._settle({worker: each["state"] for worker, each in outcomes.items()}, decided["state"])
            return {key: value for key, value in decided.items() if key != "state"}

    async def refresh(self, only: Collection[str] | None = None) -> None:
        """Have every worker refresh its models.

        Args:
            only: The models; None for all.
        """
        await self.trials.before_refresh(self.members, only)
        chosen = None if only is None else [*only]
        async with self._order:
            states = await self._ask(self.members, "refresh", only=chosen, trials=self.trials.outcome)
            if states:
                await self._settle(states, next(iter(states.values())))

    async def statistics(self) -> Counted:
        """The statistics of each model over all workers, including those that have ended."""
        await self._count()
        return self._totals.statistics(each.counts for each in (*self.members, *self._leaving))

    async def metrics(self) -> str:
        """The metrics over all workers, including those that have ended."""
        await self._count()
        return self._totals.metrics(each.counts for each in (*self.members, *self._leaving))

    async def _count(self) -> None:
        asked = [asyncio.create_task(_counted(each)) for each in (*self.members, *self._leaving)]
        if asked:
            await asyncio.wait(asked, timeout=FRESH)

    async def _follow(self, state: JsonObject) -> None:
        """Have all workers restore the state of one that has just started: files may have changed or gone."""
        assert self.state is not None  # noqa: S101  it was compared with one
        missing = _missing(state, self.state)
        if missing and self.members:
            raise UnfitError(f"cannot serve {', '.join(missing)}, which the other workers serve")
        log.warning("files of models or of shared memory have changed; all workers look at them again")
        await self._settle(dict.fromkeys(self.members, self.state), state)

    async def _settle(self, states: Mapping[WorkerProcess, JsonObject], state: JsonObject) -> None:
        """Have the workers that are in another state restore this one."""
        if self.state is not None:
            self._totals.forget(self.state, state)
        self.state = state
        others = [worker for worker, each in states.items() if each != state]
        reached = await self._ask(others, "restore", state=state)
        for worker, each in reached.items():
            if each != state:
                self._dismiss(worker, "it could not do what the others did")

    async def _ask(
        self, workers: Iterable[WorkerProcess], name: str, **arguments: object
    ) -> dict[WorkerProcess, Any]:
        """The answers of workers to a call. One that ends meanwhile or fails is left out and replaced."""

        async def ask(worker: WorkerProcess) -> tuple[WorkerProcess, Any] | None:
            try:
                return worker, await worker.call(name, **arguments)
            except ChannelClosedError:
                return None
            except ServingError as error:
                self._dismiss(worker, str(error))
                return None

        answers = await asyncio.gather(*(ask(each) for each in workers))
        return dict(each for each in answers if each is not None)

    def _dismiss(self, worker: WorkerProcess, reason: str) -> None:
        """Have a worker drain and end, so that another takes its place."""
        log.error("worker %d is replaced: %s", worker.index, reason)
        if worker in self.members:
            self.members.remove(worker)
            self._leaving.append(worker)
            worker.signal(signal.SIGTERM)


async def _counted(worker: WorkerProcess) -> None:
    with suppress(ChannelClosedError, ServingError):
        await worker.count()


def _missing(state: JsonObject, wanted: JsonObject) -> list[str]:
    """The versions that are in one state and not in another."""
    return [
        f"model '{name}' version {version}"
        for name, each in wanted["models"].items()
        for version in each["served"]
        if version not in state["models"].get(name, {"served": ()})["served"]
    ]
