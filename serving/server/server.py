"""The server: a repository behind a port, from the first load to the last answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2_grpc

from serving import daemon_threads
from serving.access.endpoint_security import Door
from serving.access.rights import NEEDED
from serving.dataplane import malloc_trim
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.model_control import ModelControl
from serving.dataplane.shared_memory import SharedMemory
from serving.errors import AddressError, ServingError, UnsupportedError
from serving.metrics.exposition import exposition
from serving.metrics.http_endpoint import MetricsServer
from serving.repository.loading.guarded_load import Trial
from serving.repository.model import LoadedModel
from serving.repository.repository import Repository
from serving.repository.statistics import Statistics
from serving.server import initial_load
from serving.server.drain import drain
from serving.server.options import ControlMode, ServerOptions
from serving.server.signals import Signals
from serving.server.state_snapshot import JsonObject, Standing
from serving.services import health, reflection
from serving.services.method_handlers import Method, Traffic, of_messages, stream, unary
from serving.services.open_inference import config_message, inference_service
from serving.services.open_inference.repository_service import ModelRepositoryService
from serving.services.open_inference.settings_service import SettingsService
from serving.services.open_inference.shared_memory_service import SharedMemoryService
from serving.services.request_peek import FirstLook
from serving.services.tensorflow_serving import model_service, prediction_service, session_service
from serving.services.worker_group import ADMINISTRATIVE, Fleet, forwarded
from serving.transport import listen_address
from serving.transport.grpcio import acceptor
from serving.transport.grpcio.channel_arguments import channel_options
from serving.transport.grpcio.methods import Handler, Methods
from serving.transport.grpcio.package_services import Guests

__all__ = ["Server", "ServerOptions", "serve"]

log = logging.getLogger(__name__)


class Server:
    """One server process. Its methods are called on one event loop.

    Args:
        options: What was decided.
        attempt: Tries a version before it is opened; None to open it at once.
        fleet: The processes that serve together on one port, if this is one of several.

    Attributes:
        gone_deaf: Called when no more calls can be taken although the server was not told to stop.

    Raises:
        CredentialsError: Certificates or tokens cannot be used.
    """

    def __init__(
        self, options: ServerOptions, attempt: Trial | None = None, fleet: Fleet | None = None
    ) -> None:
        self._options = options
        self._fleet = fleet
        # Before models are loaded: who mistyped a path is to know at once.
        self._door = Door(options)
        self._loop = asyncio.get_running_loop()
        self._repository = Repository(
            options.repository, parse=config_message.parse, trial=attempt, seconds=options.load_seconds
        )
        self._plane = DataPlane(self._repository, self._loop)
        self._control = ModelControl(self._repository, explicit=options.control is ControlMode.EXPLICIT)
        self._traffic = Traffic(options.max_message_size)
        self._memory = SharedMemory(allowed=options.allow_shared_memory, most=options.max_message_size)
        self.standing = Standing(
            self._repository, self._control, self._plane.labels, self._memory, logging.getLogger("serving")
        )
        self._metrics = MetricsServer(self.metrics)
        self._server = acceptor.server(
            channel_options(options, shared=fleet is not None),
            self._door.checks(self._traffic.counts),
        )
        self._administrative: dict[str, tuple[Method, type[Message]]] = {}
        self._rehearsals: dict[str, Callable[[Any], Awaitable[None]]] = {}
        servicers = self._servicers()
        handlers = {session_service.PATH: session_service.handler(self._traffic)}
        for service, parts in servicers.items():
            handlers |= self._handlers(service, parts)
        self._methods = Methods(handlers)
        acceptor.announce(self._server, {*handlers, *NEEDED}, self._methods)
        acceptor.watch(self._server, self._lost)
        services = [*(each.full_name for each in (*servicers, health.SERVICE)), *reflection.SERVICES]
        self._health = health.HealthService(self._plane, services)
        self._repository.changed = self._changed
        guests = Guests(self._server, self._traffic)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, guests)
        reflection.add(guests, services)
        self._loaded = False
        self._polling: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._port = 0
        self._deaf = False
        self.gone_deaf: Callable[[], None] = lambda: None

    def _servicers(self) -> dict[ServiceDescriptor, Sequence[object]]:
        """The parts that answer the methods of each service."""
        options, plane, control = self._options, self._plane, self._control
        return {
            inference_service.SERVICE: (
                inference_service.InferenceService(plane, self._memory, self._traffic.requests),
                ModelRepositoryService(plane, control, self._fleet),
                SharedMemoryService(self._memory),
                SettingsService(logging.getLogger("serving"), changeable=options.administration),
            ),
            prediction_service.SERVICE: (
                prediction_service.PredictionService(
                    plane, options.max_message_size, content=options.tensor_content
                ),
            ),
            model_service.SERVICE: (
                model_service.ModelService(plane, control, labelled=options.administration),
            ),
        }

    def _handlers(self, service: ServiceDescriptor, parts: Sequence[object]) -> dict[str, Handler]:
        """Handlers for the methods of a service, by path; those that none of its parts has are UNIMPLEMENTED.

        Of a method that a part also has with ``Wire`` behind its name, that one is taken: it works on bytes. One
        with ``Rehearsal`` behind its name tries what the method would load.
        """
        handlers: dict[str, Handler] = {}
        for method in service.methods:
            name, request = f"/{service.full_name}/{method.name}", GetMessageClass(method.input_type)
            found, wire = _found(parts, method.name), _found(parts, f"{method.name}Wire")
            if (rehearsal := _found(parts, f"{method.name}Rehearsal")) is not None:
                self._rehearsals[name] = rehearsal
            look = FirstLook(method.input_type, self._plane)
            if method.client_streaming and found is not None:
                handlers[name] = stream(found, request, self._traffic, name, look)
            elif wire is not None:
                handlers[name] = unary(wire, self._traffic, name, look)
            elif not method.client_streaming:
                call = self._for_all(name, method, found or _unsupported(method.name), request)
                handlers[name] = unary(of_messages(call, request), self._traffic, name, look)
        return handlers

    def _for_all(self, name: str, method: MethodDescriptor, call: Method, request: type[Message]) -> Method:
        """The method itself, or what has every process of a fleet do it."""
        if self._fleet is None or name not in ADMINISTRATIVE:
            return call
        self._administrative[name] = call, request
        return forwarded(name, GetMessageClass(method.output_type), self._fleet)

    def _changed(self) -> None:
        """Called by whoever loads, from any thread."""
        self._loop.call_soon_threadsafe(self._health.changed)

    def _lost(self) -> None:
        log.error("no more calls can be taken; ending")
        self._deaf = True
        self.gone_deaf()

    @property
    def ready_models(self) -> int:
        """How many models can answer."""
        return len({status.name for status in self._repository.statuses() if status.ready})

    async def load(self, standing: JsonObject | None = None) -> None:
        """Load what is to be there from the start, on a thread of its own: a signal may end the process meanwhile.

        Args:
            standing: How other processes stand, to which this one is brought; None for the first of them.

        Raises:
            RepositoryError: The repository is missing or holds no model.
        """
        # What is tried first may never end; several processes have that behind them.
        seconds = initial_load.SETTLING if self._fleet is None else None
        load = partial(initial_load.load, self._repository, self._options, seconds)
        if standing is not None:
            load = partial(self.standing.restore, standing)
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
        if self._fleet is None:
            listen_address.check(host, port)
        bracketed = f"[{host}]" if ":" in host else host
        try:
            chosen = self._port = self._door.listen(self._server, f"{bracketed}:{port}")
        except RuntimeError as error:
            raise AddressError(f"cannot listen on {bracketed}:{port}") from error
        await self._server.start()
        self._watching = asyncio.create_task(self._traffic.memory.run())
        if self._options.control is ControlMode.POLL and self._fleet is None:
            self._polling = asyncio.create_task(
                initial_load.poll(self._repository, self._options.poll_seconds)
            )
        return f"{bracketed}:{chosen}"

    async def metrics(self) -> str:
        """Everything that is measured, now."""
        return exposition(self._plane, self._traffic.counts)

    def statistics(self) -> list[tuple[LoadedModel, Statistics]]:
        """What each model has done."""
        return [(model, model.statistics) for model in self._plane.loaded_models()]

    async def apply(self, method: str, request: bytes) -> bytes:
        """Do here what an administrative call asks of every process; see :mod:`serving.services.worker_group`."""
        call, request_type = self._administrative[method]
        return (await call(request_type.FromString(request), None)).SerializeToString()

    async def refresh(self, only: Collection[str] | None = None) -> None:
        """Look at the repository once, or at some models in it, when it is known what comes of loading them."""
        await initial_load.refresh(self._repository, only, seconds=None)

    async def rehearse(self, method: str, request: bytes) -> None:
        """Try what an administrative call would load. What is wrong with the call, it tells when it is done."""
        call = self._rehearsals.get(method)
        if call is not None:
            with suppress(ServingError):
                await call(self._administrative[method][1].FromString(request))

    async def rehearse_all(self, only: Collection[str] | None = None) -> None:
        """Try what :meth:`refresh` would load; before the first load, what that would."""
        if self._loaded:
            rehearse = partial(self._repository.dry_run_all, only, seconds=initial_load.GLANCE)
        else:
            rehearse = partial(initial_load.rehearse, self._repository, self._options, initial_load.SETTLING)
        await asyncio.wrap_future(daemon_threads.start(rehearse))

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
                await signals.hurry.wait()
        self._health.changed(stopping=True)
        answered = await drain(
            self._server, self._port, self._methods, self._traffic, signals, self._options.drain_seconds
        )
        self._metrics.close()
        self._memory.close()
        return self._plane.close(timeout=1.0) and answered and not self._deaf


async def serve(
    options: ServerOptions, announce: Callable[[str], None], attempt: Trial | None = None
) -> bool:
    """Serve until a signal says otherwise (:mod:`serving.server.signals`), then drain.

    Args:
        options: What was decided.
        announce: Told, once requests are answered, what is served where.
        attempt: Tries a version before it is opened; None to open it at once.

    Returns:
        Whether all that was accepted was answered and no model runs any more.

    Raises:
        RepositoryError: The repository is missing or holds no model.
        AddressError: The address cannot be listened on.
        CredentialsError: Certificates or tokens cannot be used.
    """
    server = Server(options, attempt)
    await server.load()
    signals = Signals()
    signals.listen()
    server.gone_deaf = signals.no_use
    metrics = await server.start_metrics()
    try:
        address = await server.start()
    except AddressError:
        server.close_metrics()
        raise
    models = server.ready_models
    if metrics:
        log.info("metrics at http://%s/metrics", metrics)
    announce(f"Serving {models} model{'' if models == 1 else 's'} on {address}")
    await signals.stop.wait()
    return await server.stop(signals)


def _found(parts: Sequence[object], name: str) -> Any:  # noqa: ANN401  a method of any signature
    return next((getattr(part, name) for part in parts if hasattr(part, name)), None)


def _unsupported(name: str) -> Method:
    async def refuse(_request: Message, _deadline: float | None) -> NoReturn:
        raise UnsupportedError(f"this server does not do {name}")

    return refuse
