"""The server: a repository behind a port, from the first load to the last answer."""

import asyncio
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2_grpc

from serving.dataplane.dataplane import DataPlane
from serving.errors import AddressError, UnsupportedError
from serving.repository.repository import Repository
from serving.rpc import (
    health,
    inference,
    reflection,
    tensorflow_models,
    tensorflow_prediction,
    tensorflow_session,
)
from serving.rpc.calls import Method, Traffic, unary

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the person who starts the server decides.

    Attributes:
        repository: The folder of models.
        host: The address to listen on.
        port: The port; 0 for any free one.
        max_message_size: Most bytes of a request.
        drain_seconds: Most time for answering, at the end, what was accepted.
    """

    repository: Path
    host: str = "127.0.0.1"
    port: int = 8001
    max_message_size: int = 64 * MEGABYTE
    drain_seconds: float = 30.0


class Server:
    """One server process. Its methods are called on one event loop.

    Args:
        options: What was decided.

    Raises:
        RepositoryError: The repository is missing or holds no model.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._repository = Repository(options.repository)
        self._repository.load_all()
        self._plane = DataPlane(self._repository, asyncio.get_running_loop())
        self._traffic = Traffic()
        self._server = grpc.aio.server(options=_channel_options(options))
        servicers = {
            inference.SERVICE: inference.InferenceService(self._plane),
            tensorflow_prediction.SERVICE: tensorflow_prediction.PredictionService(
                self._plane, options.max_message_size
            ),
            tensorflow_models.SERVICE: tensorflow_models.ModelService(self._plane),
        }
        self._server.add_generic_rpc_handlers(
            [
                *(_handlers(service, servicer, self._traffic) for service, servicer in servicers.items()),
                tensorflow_session.handler(self._traffic),
            ]
        )
        services = [each.full_name for each in (*servicers, health.SERVICE, reflection.SERVICE)]
        self._health = health.HealthService(self._plane, services)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.add(self._server, services)

    @property
    def ready_models(self) -> int:
        """How many models can answer."""
        return len({status.name for status in self._repository.statuses() if status.ready})

    async def start(self) -> str:
        """Listen.

        Returns:
            The address, with the port that was chosen.

        Raises:
            AddressError: It cannot be listened on.
        """
        host, port = self._options.host, self._options.port
        _try_address(host, port)
        bracketed = f"[{host}]" if ":" in host else host
        try:
            chosen = self._server.add_insecure_port(f"{bracketed}:{port}")
        except RuntimeError as error:
            raise AddressError(f"cannot listen on {bracketed}:{port}") from error
        await self._server.start()
        return f"{bracketed}:{chosen}"

    async def stop(self) -> bool:
        """Say that nothing is ready, answer what was accepted, end.

        Returns:
            Whether all was answered and no model runs any more.
        """
        self._plane.stop_accepting()
        self._health.changed(stopping=True)
        # New calls are refused from here on. Only calls that ask for work are waited for, not idle watchers.
        draining = asyncio.create_task(self._server.stop(self._options.drain_seconds))
        idle = asyncio.create_task(self._traffic.idle())
        await asyncio.wait((draining, idle), return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._server.stop(None)
        await draining
        return self._plane.close(timeout=1.0)


async def serve(options: ServerOptions, announce: Callable[[str], None]) -> bool:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        options: What was decided.
        announce: Told, once requests are answered, what is served where.

    Returns:
        Whether all that was accepted was answered and no model runs any more.

    Raises:
        RepositoryError: The repository is missing or holds no model.
        AddressError: The address cannot be listened on.
    """
    server = Server(options)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    address = await server.start()
    models = server.ready_models
    announce(f"Serving {models} model{'' if models == 1 else 's'} on {address}")
    await stop.wait()
    return await server.stop()


def _handlers(service: ServiceDescriptor, servicer: object, traffic: Traffic) -> grpc.GenericRpcHandler:
    """Handlers for the methods of a service; those that its servicer lacks are UNIMPLEMENTED."""
    return grpc.method_handlers_generic_handler(
        service.full_name,
        {
            method.name: unary(
                getattr(servicer, method.name, None) or _unsupported(method.name),
                GetMessageClass(method.input_type),
                traffic,
            )
            for method in service.methods
            if not method.client_streaming
        },
    )


def _unsupported(name: str) -> Method:
    async def refuse(_request: Message, _deadline: float | None) -> NoReturn:
        raise UnsupportedError(f"this server does not do {name}")

    return refuse


def _channel_options(options: ServerOptions) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", options.max_message_size),
        ("grpc.max_send_message_length", -1),
        # Without this a second server on the same port would silently take half of the connections.
        ("grpc.so_reuseport", 0),
    ]


def _try_address(host: str, port: int) -> None:
    """Fail with a reason; grpcio only logs one.

    Raises:
        AddressError: The address cannot be listened on.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        text = f"cannot listen on {host}:{port}: {error.strerror}; choose another with --host and --port"
        raise AddressError(text) from error
