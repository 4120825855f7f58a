"""One of several processes that serve on one port: a server, and a link to what keeps it."""

import asyncio
import base64
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from serving import daemon_threads, errors
from serving.repository.loading.attempt import Attempt
from serving.repository.statistics import Statistics
from serving.runtimes import cpus
from serving.server.options import ServerOptions
from serving.server.server import Server
from serving.server.signals import Signals
from serving.server.state_snapshot import JsonObject
from serving.trial.verdicts import Verdicts
from serving.workers.channel import Link, LinkLostError

log = logging.getLogger(__name__)


class Worker:
    """A worker process. The supervisor calls the methods that are not a worker group's.

    Args:
        prepare: Makes options, and what tries versions, of a command line and of the worker's place, from 1, and sets
            the log up.
    """

    def __init__(self, prepare: Callable[[list[str], int], tuple[ServerOptions, Attempt | None]]) -> None:
        self._prepare = prepare
        self._signals = Signals()
        self._verdicts: Verdicts | None = None
        self._listening = False
        self._link: Link
        self._server: Server

    async def run(self, end: socket.socket) -> bool:
        """Serve until told to stop, or until the supervisor is gone.

        Args:
            end: What leads to the supervisor.

        Returns:
            Whether all that was accepted was answered and no model runs any more.
        """
        calls = (
            self.prepare,
            self.rehearse,
            self.start,
            self.listen,
            self.count,
            self.apply,
            self.restore,
            self.refresh,
        )
        self._link = await Link.over(end, {each.__name__: each for each in calls})
        link = asyncio.create_task(self._link.run())
        link.add_done_callback(self._lost)
        await self._signals.stop.wait()
        drained = await self._server.stop(self._signals) if self._listening else True
        link.cancel()
        return drained

    def _lost(self, _link: object) -> None:
        if not self._signals.stop.is_set():
            log.error("the supervisor is gone; ending")
            self._signals.no_use()

    async def prepare(self, *, arguments: list[str], index: int, workers: int, port: int) -> None:
        """Get ready for loading models.

        Args:
            arguments: The command line.
            index: This worker's place, from 1.
            workers: How many there are.
            port: The port that was taken for all of them.

        Raises:
            StartupError: Certificates or tokens cannot be used.
        """
        cpus.share(workers)
        options, trials = self._prepare(arguments, index)
        self._verdicts = None if trials is None else Verdicts(trials)
        self._server = Server(replace(options, port=port), self._verdicts, self)
        self._server.gone_deaf = self._signals.no_use
        self._signals.listen()

    async def rehearse(
        self, *, method: str = "", request: str = "", only: list[str] | None = None
    ) -> JsonObject:
        """Try what is to be loaded: by a call that a client has made, or else what lies in the repository.

        Args:
            method: The call.
            request: Its message, in base64.
            only: The models to look at; None for all.

        Returns:
            ``verdicts``, all that is known (:class:`serving.trial.verdicts.Verdicts`), and ``tried``, the version
            of each model whose trial takes longer.
        """
        if self._verdicts is None:
            return {"verdicts": [], "tried": {}}
        if method:
            await self._server.rehearse(method, base64.b64decode(request))
        else:
            await self._server.rehearse_all(only)
        return {"verdicts": self._verdicts.take(), "tried": self._server.being_tried}

    async def start(self, *, standing: JsonObject | None, findings: JsonObject) -> JsonObject:
        """Load the models.

        Args:
            standing: How the others stand; None for the first.
            findings: What :meth:`rehearse` has found.

        Raises:
            StartupError: There is nothing to serve.
        """
        self._learn(findings)
        await self._server.load(standing)
        return self._server.standing.take()

    async def listen(self) -> int:
        """Let clients in; how many models there are for them."""
        await self._server.start()
        self._listening = True
        return self._server.ready_models

    async def count(self) -> JsonObject:
        """What has been counted."""
        return {
            "metrics": await self._server.metrics(),
            "statistics": [
                (model.name, model.version, counted.totals()) for model, counted in self._server.statistics()
            ],
        }

    async def apply(self, *, method: str, request: str, findings: JsonObject) -> JsonObject:
        """Do what a client asked one of the workers for."""
        self._learn(findings)
        try:
            response = await self._server.apply(method, base64.b64decode(request))
            outcome = {"response": base64.b64encode(response).decode()}
        except errors.ServingError as error:
            outcome = {"error": type(error).__name__, "text": str(error)}
        except Exception as error:
            log.exception("%s failed", method)
            outcome = {"error": errors.InternalError.__name__, "text": f"{type(error).__name__}: {error}"}
        return {**outcome, "standing": self._server.standing.take()}

    async def restore(self, *, standing: JsonObject) -> JsonObject:
        """Come to a standing as far as possible, on a thread: models may have to be loaded."""
        restore = partial(self._server.standing.restore, standing)
        await asyncio.wrap_future(daemon_threads.start(restore))
        return self._server.standing.take()

    async def refresh(self, *, only: list[str] | None, findings: JsonObject) -> JsonObject:
        """Look at the repository, or at some models in it."""
        self._learn(findings)
        await self._server.refresh(only)
        return self._server.standing.take()

    def _learn(self, findings: JsonObject) -> None:
        if self._verdicts is not None and findings:
            self._verdicts.learn(findings["verdicts"])
            self._server.await_elsewhere(findings["tried"])

    async def administer(self, method: str, request: bytes) -> bytes:
        """Have a method done by every worker; see :class:`~serving.services.worker_group.WorkerGroup`."""
        outcome = await self._ask("administer", method=method, request=base64.b64encode(request).decode())
        if "error" in outcome:
            raise getattr(errors, outcome["error"])(outcome["text"])
        return base64.b64decode(outcome["response"])

    async def statistics(self) -> Mapping[tuple[str, str], Statistics]:
        """What the workers have counted together; see :class:`~serving.services.worker_group.WorkerGroup`."""
        told = await self._ask("statistics")
        return {(name, version): Statistics.of(totals) for name, version, totals in told}

    async def _ask(self, name: str, **arguments: object) -> Any:  # noqa: ANN401  whatever JSON holds
        try:
            return await self._link.call(name, **arguments)
        except LinkLostError:
            raise errors.StoppingError("the server is stopping; ask again") from None
