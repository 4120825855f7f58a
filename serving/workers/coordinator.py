"""The workers that listen, kept in one standing: what changes a server is done by all of them, in one order.

An operation goes to all at once and is answered when all are done with it. If some did it and others could not, those
that did it are right: the others are brought to the standing that these now have, and one that cannot come to it is
replaced. A worker that starts is brought to the standing of the rest before it listens.

What an operation would load is tried before it begins, by one worker, and the others believe what that found. So an
operation takes no longer than opening what can be opened, and none waits for a trial of another's.
"""

import asyncio
import logging
import signal
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from serving.errors import ServingError, UnavailableError
from serving.workers.channel import LinkLostError
from serving.workers.metric_totals import Counted, Totals
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

FIRST = 1
"""The worker that is prepared for trials before it is asked for one."""

FRESH = 1.0
"""Most seconds to wait for what a worker has counted; then what it last told counts."""


class UnfitError(Exception):
    """A worker cannot come to the standing of the others."""


class Crew:
    """The workers that listen.

    Attributes:
        members: They themselves.
        standing: How each of them stands (:mod:`serving.server.state_snapshot`); None before the first has started.
        findings: What trials have found; see :meth:`serving.workers.worker.Worker.rehearse`.
        late: The models whose trials take longer; they are to be looked at again.
    """

    def __init__(self) -> None:
        self.members: list[WorkerProcess] = []
        self.standing: JsonObject | None = None
        self.findings: JsonObject = {}
        self.late: list[str] = []
        self._begun = asyncio.Event()
        self._leaving: list[WorkerProcess] = []
        self._totals = Totals()
        self._order = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether an operation is under way; models may be loading."""
        return self._order.locked()

    async def begin(self, worker: WorkerProcess) -> None:
        """Have what the first workers load tried by the first of them.

        Raises:
            ServingError: There is nothing to serve.
            LinkLostError: It ended.
        """
        if self._begun.is_set():
            return
        if worker.index != FIRST:
            await self._begun.wait()
            return
        self.findings = await worker.call("rehearse")
        self.late = [*self.findings.get("tried", ())]
        self._begun.set()

    async def adopt(self, worker: WorkerProcess, standing: JsonObject) -> None:
        """Bring a worker that has started to the standing of the others, and let it listen.

        Args:
            worker: The worker.
            standing: How it stands.

        Raises:
            UnfitError: It cannot answer what the others answer.
            ServingError: It cannot listen.
            LinkLostError: It ended.
        """
        async with self._order:
            if self.standing is None:
                self.standing = standing
            elif standing != self.standing:
                standing = await worker.call("restore", standing=self.standing)
            if standing != self.standing:
                await self._follow(standing)
            await worker.listen()
            self.members.append(worker)

    def leave(self, worker: WorkerProcess) -> None:
        """Go on without a worker that ended, and keep what it counted."""
        for each in (self.members, self._leaving):
            if worker in each:
                each.remove(worker)
                self._totals.retire(worker.snapshot)

    async def administer(self, method: str, request: str) -> JsonObject:
        """Have every worker do what a client asked one of them for.

        Args:
            method: Its full name.
            request: Its message, in base64.

        Returns:
            ``response``, or ``error`` and ``text``, of one that stands for all.

        Raises:
            UnavailableError: No worker lived to do it.
        """
        if method in LOADS:
            await self._rehearse(method=method, request=request)
        async with self._order:
            outcomes = await self._ask(
                self.members, "apply", method=method, request=request, findings=self.findings
            )
            if not outcomes:
                raise UnavailableError("every worker ended meanwhile; ask again")
            decided = next((each for each in outcomes.values() if "response" in each), None)
            decided = decided or next(iter(outcomes.values()))
            await self._settle(
                {worker: each["standing"] for worker, each in outcomes.items()}, decided["standing"]
            )
            return {key: value for key, value in decided.items() if key != "standing"}

    async def refresh(self, only: Collection[str] | None = None) -> None:
        """Have every worker look at the repository, or at some models in it."""
        chosen = None if only is None else [*only]
        await self._rehearse(only=chosen)
        # Not what a request wants loaded, with a config of its own perhaps.
        self.late = [name for name in self.findings.get("tried", ()) if only is None or name in only]
        async with self._order:
            standings = await self._ask(self.members, "refresh", only=chosen, findings=self.findings)
            if standings:
                await self._settle(standings, next(iter(standings.values())))

    async def statistics(self) -> Counted:
        """What all workers have done with each model, those included that have ended."""
        await self._count()
        return self._totals.statistics(each.snapshot for each in (*self.members, *self._leaving))

    async def metrics(self) -> str:
        """What all workers measured, those included that have ended."""
        await self._count()
        return self._totals.metrics(each.snapshot for each in (*self.members, *self._leaving))

    async def _count(self) -> None:
        asked = [asyncio.create_task(_counted(each)) for each in (*self.members, *self._leaving)]
        if asked:
            await asyncio.wait(asked, timeout=FRESH)

    async def _rehearse(self, **what: object) -> None:
        """Have one worker try what is to be loaded. Meanwhile operations go on."""
        for worker in [*self.members]:
            with suppress(LinkLostError, ServingError):
                self.findings = await worker.call("rehearse", **what)
                return

    async def _follow(self, standing: JsonObject) -> None:
        """Bring all to what a worker that has just started could have: files may have changed or gone."""
        assert self.standing is not None  # noqa: S101  it was compared with one
        missing = _missing(standing, self.standing)
        if missing and self.members:
            raise UnfitError(f"cannot serve {', '.join(missing)}, which the other workers serve")
        log.warning("files of models or of shared memory have changed; all workers look at them again")
        await self._settle(dict.fromkeys(self.members, self.standing), standing)

    async def _settle(self, standings: Mapping[WorkerProcess, JsonObject], standing: JsonObject) -> None:
        """Bring those to a standing that have another."""
        if self.standing is not None:
            self._totals.forget(self.standing, standing)
        self.standing = standing
        others = [worker for worker, each in standings.items() if each != standing]
        reached = await self._ask(others, "restore", standing=standing)
        for worker, each in reached.items():
            if each != standing:
                self._dismiss(worker, "it could not do what the others did")

    async def _ask(
        self, workers: Iterable[WorkerProcess], name: str, **arguments: object
    ) -> dict[WorkerProcess, Any]:
        """What each worker answers to a call; those that end meanwhile, or fail at it, are replaced."""

        async def ask(worker: WorkerProcess) -> tuple[WorkerProcess, Any] | None:
            try:
                return worker, await worker.call(name, **arguments)
            except LinkLostError:
                return None
            except ServingError as error:
                self._dismiss(worker, str(error))
                return None

        answers = await asyncio.gather(*(ask(each) for each in workers))
        return dict(each for each in answers if each is not None)

    def _dismiss(self, worker: WorkerProcess, reason: str) -> None:
        """Have a worker answer what it has accepted, and end; another takes its place then."""
        log.error("worker %d is replaced: %s", worker.index, reason)
        if worker in self.members:
            self.members.remove(worker)
            self._leaving.append(worker)
            worker.signal(signal.SIGTERM)


async def _counted(worker: WorkerProcess) -> None:
    with suppress(LinkLostError, ServingError):
        await worker.count()


def _missing(standing: JsonObject, wanted: JsonObject) -> list[str]:
    """The versions that one standing has and another lacks."""
    return [
        f"model '{name}' version {version}"
        for name, each in wanted["models"].items()
        for version in each["served"]
        if version not in standing["models"].get(name, {"served": ()})["served"]
    ]
