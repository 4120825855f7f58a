"""The server: a repository behind a port, from the first load to the last answer."""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial

from serving import daemon_threads
from serving.access.endpoint_security import EndpointSecurity
from serving.access.rights import NEEDED
from serving.dataplane import malloc_trim
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.model_control import ModelControl
from serving.dataplane.shared_memory import SharedMemory
from serving.flow_control.flow_control import FlowControl
from serving.metrics.exposition import exposition
from serving.metrics.http_endpoint import MetricsServer
from serving.repository.loading.guarded_load import Trial
from serving.repository.model import LoadedModel
from serving.repository.repository import Repository
from serving.repository.statistics import Statistics
from serving.server import initial_load
from serving.server.admission import Admission
from serving.server.drain import drain
from serving.server.frontend_choice import TransportMaker
from serving.server.frontend_choice import transport as transport_of
from serving.server.method_table import MethodTable
from serving.server.options import ControlMode, ServerOptions
from serving.server.service_parts import service_parts
from serving.server.signals import Signals
from serving.server.state_snapshot import JsonObject, ServerState
from serving.services import health
from serving.services.health import HealthService
from serving.services.open_inference import config_message
from serving.services.reflection import SERVICES as REFLECTION
from serving.services.reflection import Reflection
from serving.services.tensorflow_serving import session_service
from serving.services.worker_group import WorkerGroup
from serving.transport import listen_address

log = logging.getLogger(__name__)


class Server:
    """One server process. Its methods are called on one event loop.

    Args:
        options: What was decided.
        trial: Tries a version before it is opened; None to open it at once.
        group: The processes that serve together on one port, if this is one of several.
        transport: Makes what carries the calls; None for the front end of the options.

    Attributes:
        lost: Called when no more calls can be taken although the server was not told to stop.

    Raises:
        CredentialsError: Certificates or tokens cannot be used.
        FrontEndError: The front end of the options cannot be used.
    """

    def __init__(
        self,
        options: ServerOptions,
        trial: Trial | None = None,
        group: WorkerGroup | None = None,
        transport: TransportMaker | None = None,
    ) -> None:
        self._options = options
        self._group = group
        # Read before models are loaded, so that a wrong path is reported immediately.
        security = EndpointSecurity(
            options.host, options.tls, options.tokens, allow_plain_tokens=options.allow_plain_tokens
        )
        self._loop = asyncio.get_running_loop()
        self._repository = Repository(
            options.repository, parse=config_message.parse, trial=trial, seconds=options.load_seconds
        )
        self._plane = DataPlane(self._repository, self._loop)
        self._control = ModelControl(self._repository, explicit=options.control is ControlMode.EXPLICIT)
        self._flow = FlowControl(options.max_message_size)
        self._memory = SharedMemory(allowed=options.allow_shared_memory, most=options.max_message_size)
        self.state = ServerState(
            self._repository, self._control, self._plane.labels, self._memory, logging.getLogger("serving")
        )
        self._metrics = MetricsServer(self.metrics)
        parts = service_parts(options, self._plane, self._control, self._flow, self._memory, group)
        self._table = MethodTable(parts, self._flow, self._plane, group)
        names = [*(each.full_name for each in (*parts, health.SERVICE)), *REFLECTION]
        self._health = HealthService(self._plane, names)
        self._repository.changed = self._changed
        work = self._table.methods | session_service.methods(self._flow)
        self._admission = Admission(security.token_check, self._flow.counts, work.keys())
        make = transport or transport_of(options.frontend)
        self._transport = make(options.limits, security.tls, shared=group is not None)
        self._transport.lost = self._transport_lost
        others = self._health.methods(self._flow) | Reflection(names).methods(self._flow)
        self._transport.serve(work | others, self._admission.admit, NEEDED, self._admission.admits_all)
        self._loaded = False
        self._polling: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._is_lost = False
        self.lost: Callable[[], None] = lambda: None

    def _changed(self) -> None:
        """Called by whoever loads, from any thread."""
        self._loop.call_soon_threadsafe(self._health.changed)

    def _transport_lost(self) -> None:
        log.error("no more calls can be taken; ending")
        self._is_lost = True
        self.lost()

    @property
    def ready_models(self) -> int:
        """How many models can answer."""
        return len({status.name for status in self._repository.statuses() if status.ready})

    async def load(self, state: JsonObject | None = None) -> None:
        """Load what is to be there from the start, on a thread of its own: a signal may end the process meanwhile.

        Args:
            state: The state of the other processes, which this one takes on; None for the first of them.

        Raises:
            RepositoryError: The repository is missing or holds no model.
        """
        # What is tried first may never end; several processes have that behind them.
        seconds = initial_load.START_STALL_SECONDS if self._group is None else None
        load = partial(initial_load.load, self._repository, self._options, seconds)
        if state is not None:
            load = partial(self.state.restore, state)
        await asyncio.wrap_future(daemon_threads.start(load))
        # Loading takes several times what a loaded model does.
        malloc_trim.give_back()
        self._loaded = True

    async def start(self) -> str:
        """Load, unless that is done, and listen.

        Returns:
            The address, with the port that was chosen.

        Raises:
            RepositoryError: The repository is missing or holds no model.
            AddressError: It cannot be listened on.
        """
        if not self._loaded:
            await self.load()
        host, port = self._options.host, self._options.port
        if self._group is None:
            listen_address.check(host, port)
        chosen = await self._transport.start(host, port)
        self._watching = asyncio.create_task(self._flow.memory.run())
        if self._options.control is ControlMode.POLL and self._group is None:
            self._polling = asyncio.create_task(
                initial_load.poll(self._repository, self._options.poll_seconds)
            )
        return listen_address.host_and_port(host, chosen)

    async def metrics(self) -> str:
        """Everything that is measured, now."""
        return exposition(self._plane, self._flow.counts)

    def statistics(self) -> list[tuple[LoadedModel, Statistics]]:
        """What each model has done."""
        return [(model, model.statistics) for model in self._plane.loaded_models()]

    async def apply(self, method: str, request: bytes) -> bytes:
        """Do here what an administrative call asks of every process; see :mod:`serving.services.worker_group`."""
        return await self._table.apply(method, request)

    async def refresh(self, only: Collection[str] | None = None) -> None:
        """Look at the repository once, or at some models in it, when it is known what comes of loading them."""
        await initial_load.refresh(self._repository, only, seconds=None)

    async def dry_run(self, method: str, request: bytes) -> None:
        """Try what an administrative call would load. Its errors are told when the call itself is done."""
        await self._table.dry_run(method, request)

    async def dry_run_all(self, only: Collection[str] | None = None) -> None:
        """Try what :meth:`refresh` would load; before the first load, what that would."""
        if self._loaded:
            dry_run = partial(self._repository.dry_run_all, only, seconds=initial_load.REFRESH_STALL_SECONDS)
        else:
            dry_run = partial(
                initial_load.dry_run, self._repository, self._options, initial_load.START_STALL_SECONDS
            )
        await asyncio.wrap_future(daemon_threads.start(dry_run))

    @property
    def being_tried(self) -> dict[str, str]:
        """The version of each model that this process tries."""
        return self._repository.loads_in_progress.here

    def await_elsewhere(self, versions: dict[str, str]) -> None:
        """Leave models alone whose versions another process tries."""
        self._repository.loads_in_progress.elsewhere = versions
        self._health.changed()

    async def start_metrics(self) -> str:
        """Listen for whoever collects metrics, if that is wanted.

        Returns:
            The address; empty if it is not.

        Raises:
            AddressError: It cannot be listened on.
        """
        host, port = self._options.host, self._options.metrics_port
        return "" if port is None else f"{host}:{await self._metrics.start(host, port)}"

    def close_metrics(self) -> None:
        """Stop listening for whoever collects metrics."""
        self._metrics.close()

    async def stop(self, signals: Signals) -> bool:
        """Say that nothing is ready, answer a little longer, then answer what was accepted, and end.

        Args:
            signals: What the process is told meanwhile.

        Returns:
            Whether all was answered, calls could be taken until then, and no model runs any more.
        """
        self._plane.stop_accepting()
        for task in (self._polling, self._watching):
            if task is not None:
                task.cancel()
        self._health.changed()
        with suppress(TimeoutError):
            # Those who choose a server learn with a delay that this one is leaving.
            async with asyncio.timeout(self._options.lame_duck_seconds):
                await signals.end_lame_duck.wait()
        self._health.changed(stopping=True)
        answered = await drain(
            self._transport, self._admission, self._flow, signals, self._options.drain_seconds
        )
        self._metrics.close()
        self._memory.close()
        return self._plane.close(timeout=1.0) and answered and not self._is_lost
