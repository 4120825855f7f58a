"""One worker process: a server, and a channel to the supervisor."""

import asyncio
import base64
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from serving import daemon_threads, errors
from serving.repository.loading.guarded_load import Trial
from serving.repository.statistics import Statistics
from serving.runtimes import cpus
from serving.server.options import ServerOptions
from serving.server.server import Server
from serving.server.signals import Signals
from serving.server.state_snapshot import JsonObject
from serving.trial_load.result_cache import TrialResultCache
from serving.workers.channel import Channel, ChannelClosedError

log = logging.getLogger(__name__)


class Worker:
    """A worker process. The supervisor calls its methods, except those of a worker group.

    Args:
        prepare: Makes the options and the trial load from a command line and the worker's index, and configures the
            log.
    """

    def __init__(self, prepare: Callable[[list[str], int], tuple[ServerOptions, Trial | None]]) -> None:
        self._prepare = prepare
        self._signals = Signals()
        self._trial_results: TrialResultCache | None = None
        self._listening = False
        self._channel: Channel
        self._server: Server

    async def run(self, end: socket.socket) -> bool:
        """Serve until a signal says to stop, or until the supervisor has ended.

        Args:
            end: The socket to the supervisor.

        Returns:
            Whether all that was accepted was answered and no model runs any more.
        """
        calls = (
            self.prepare,
            self.dry_run,
            self.start,
            self.listen,
            self.count,
            self.apply,
            self.restore,
            self.refresh,
        )
        self._channel = await Channel.over(end, {each.__name__: each for each in calls})
        reading = asyncio.create_task(self._channel.run())
        reading.add_done_callback(self._supervisor_lost)
        await self._signals.stop.wait()
        drained = await self._server.stop(self._signals) if self._listening else True
        reading.cancel()
        return drained

    def _supervisor_lost(self, _task: object) -> None:
        if not self._signals.stop.is_set():
            log.error("the supervisor is gone; ending")
            self._signals.request_stop()

    async def prepare(self, *, arguments: list[str], index: int, workers: int, port: int) -> None:
        """Create the server, without loading models.

        Args:
            arguments: The command line.
            index: The index of this worker, from 1.
            workers: The number of workers.
            port: The port that is reserved for all of them.

        Raises:
            StartupError: Certificates or tokens cannot be used.
        """
        cpus.share(workers)
        options, trials = self._prepare(arguments, index)
        self._trial_results = None if trials is None else TrialResultCache(trials)
        self._server = Server(replace(options, port=port), self._trial_results, self)
        self._server.lost = self._signals.request_stop
        self._signals.listen()

    async def dry_run(
        self, *, method: str = "", request: str = "", only: list[str] | None = None
    ) -> JsonObject:
        """Try what will be loaded: by a call that a client has sent, or else from the repository.

        Args:
            method: The full name of the call; empty for the repository.
            request: Its message, in base64.
            only: The models to look at; None for all.

        Returns:
            ``results``, all results that are known (:class:`~serving.trial_load.result_cache.TrialResultCache`), and
            ``running``, the version of each model whose trial still runs.
        """
        if self._trial_results is None:
            return {"results": [], "running": {}}
        if method:
            await self._server.dry_run(method, base64.b64decode(request))
        else:
            await self._server.dry_run_all(only)
        return {"results": self._trial_results.take(), "running": self._server.being_tried}

    async def start(self, *, state: JsonObject | None, trials: JsonObject) -> JsonObject:
        """Load the models.

        Args:
            state: The state of the other workers; None for the first.
            trials: The outcome of :meth:`dry_run`.

        Returns:
            The state of this worker.

        Raises:
            StartupError: There is nothing to serve.
        """
        self._learn(trials)
        await self._server.load(state)
        return self._server.state.take()

    async def listen(self) -> int:
        """Listen for clients; the number of models that can answer."""
        await self._server.start()
        self._listening = True
        return self._server.ready_models

    async def count(self) -> JsonObject:
        """The metrics and the statistics of this worker."""
        return {
            "metrics": await self._server.metrics(),
            "statistics": [
                (model.name, model.version, counted.totals()) for model, counted in self._server.statistics()
            ],
        }

    async def apply(self, *, method: str, request: str, trials: JsonObject) -> JsonObject:
        """Do an administrative call that a client sent to one of the workers."""
        self._learn(trials)
        try:
            response = await self._server.apply(method, base64.b64decode(request))
            outcome = {"response": base64.b64encode(response).decode()}
        except errors.ServingError as error:
            outcome = {"error": type(error).__name__, "text": str(error)}
        except Exception as error:
            log.exception("%s failed", method)
            outcome = {"error": errors.InternalError.__name__, "text": f"{type(error).__name__}: {error}"}
        return {**outcome, "state": self._server.state.take()}

    async def restore(self, *, state: JsonObject) -> JsonObject:
        """Restore a state as far as possible; on a thread, because models may have to be loaded."""
        restore = partial(self._server.state.restore, state)
        await asyncio.wrap_future(daemon_threads.start(restore))
        return self._server.state.take()

    async def refresh(self, *, only: list[str] | None, trials: JsonObject) -> JsonObject:
        """Refresh the models of the repository, or some of them."""
        self._learn(trials)
        await self._server.refresh(only)
        return self._server.state.take()

    def _learn(self, trials: JsonObject) -> None:
        """Use the trial results of other workers."""
        if self._trial_results is not None and trials:
            self._trial_results.learn(trials["results"])
            self._server.await_elsewhere(trials["running"])

    async def administer(self, method: str, request: bytes) -> bytes:
        """Have every worker do a call; see :class:`~serving.services.worker_group.WorkerGroup`."""
        outcome = await self._ask("administer", method=method, request=base64.b64encode(request).decode())
        if "error" in outcome:
            raise getattr(errors, outcome["error"])(outcome["text"])
        return base64.b64decode(outcome["response"])

    async def statistics(self) -> Mapping[tuple[str, str], Statistics]:
        """The statistics of all workers together; see :class:`~serving.services.worker_group.WorkerGroup`."""
        answer = await self._ask("statistics")
        return {(name, version): Statistics.of(totals) for name, version, totals in answer}

    async def _ask(self, name: str, **arguments: object) -> Any:  # noqa: ANN401  any JSON value
        try:
            return await self._channel.call(name, **arguments)
        except ChannelClosedError:
            raise errors.StoppingError("the server is stopping; ask again") from None
