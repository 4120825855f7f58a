"""One replica: a repository and a dataplane on the event loop that Ray gives it."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from time import monotonic
from typing import Any

import ray
from google.protobuf.message import Message
from ray.serve.grpc_util import RayServegRPCContext

from plainserve_ray.methods import Routed, routed
from plainserve_ray.options import ReplicaOptions
from plainserve_ray.proxy import Sent
from plainserve_ray.services import ONE_SERVER, ClusterService, refuse
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.model_control import ModelControl
from serving.dataplane.shared_memory import SharedMemory
from serving.errors import UnavailableError
from serving.repository.repository import Repository
from serving.runtimes import cpus
from serving.server import initial_load
from serving.server.options import ControlMode, ServerOptions
from serving.services.error_to_status import described
from serving.services.method_handlers import Traffic
from serving.services.open_inference import config_message
from serving.services.open_inference.inference_service import InferenceService
from serving.services.open_inference.repository_service import ModelRepositoryService
from serving.services.tensorflow_serving.model_service import ModelService
from serving.services.tensorflow_serving.prediction_service import PredictionService


class Written:
    """An answer that is serialized already; Ray calls it like a message."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def SerializeToString(self) -> bytes:  # noqa: N802  the name that Ray calls
        """The bytes."""
        return self._data


class Replica:
    """Answers the requests that the proxies send. The methods of the protocols are added below.

    Args:
        options: The options.

    Attributes:
        methods: The function that answers each method.

    Raises:
        RepositoryError: The repository is missing or holds no model.
    """

    def __init__(self, options: ReplicaOptions) -> None:
        logging.getLogger("serving").setLevel(options.log_level.upper())
        _share_processors()
        poll = options.poll_seconds is not None
        server = ServerOptions(options.repository, control=ControlMode.POLL if poll else ControlMode.NONE)
        self._repository = Repository(options.repository, parse=config_message.parse)
        self._plane = DataPlane(self._repository, asyncio.get_running_loop())
        initial_load.load(self._repository, server)
        self.methods = _methods(_parts(self._plane, self._repository, server))
        self._polling = (
            asyncio.create_task(initial_load.poll(self._repository, options.poll_seconds))
            if options.poll_seconds is not None
            else None
        )

    def check_health(self) -> None:
        """Called by Ray, which replaces a replica that raises.

        Raises:
            UnavailableError: No model can answer.
        """
        if not self._plane.server_ready():
            raise UnavailableError("no model of the repository can answer")

    def __del__(self) -> None:
        """Called by Ray when all accepted requests are answered, or the time for that is over."""
        if hasattr(self, "_polling"):
            if self._polling is not None:
                self._polling.cancel()
            self._plane.stop_accepting()
            self._plane.close(timeout=1.0)


def _share_processors() -> None:
    """Limit models to the processors that Ray has reserved for this replica."""
    reserved = ray.get_runtime_context().get_assigned_resources().get("CPU", 0)
    if reserved:
        cpus.share(math.ceil(cpus.available() / reserved))


def _parts(plane: DataPlane, repository: Repository, options: ServerOptions) -> tuple[object, ...]:
    """The services that answer the methods; if two have the same method, the first one answers."""
    control = ModelControl(repository, explicit=False)
    return (
        ClusterService(plane),
        InferenceService(plane, SharedMemory(allowed=False), Traffic(options.max_message_size).requests),
        ModelRepositoryService(plane, control),
        PredictionService(plane, options.max_message_size),
        ModelService(plane, control, labelled=False),
    )


def _methods(parts: Sequence[object]) -> dict[str, Callable[..., Any]]:
    return {
        each.name: refuse(each.name)
        if each.name in ONE_SERVER
        else next(getattr(part, each.name) for part in parts if hasattr(part, each.name))
        for each in routed()
    }


def _unary(method: Routed) -> Callable[..., Any]:
    parse = method.request.FromString

    async def call(self: Replica, sent: Sent, grpc_context: RayServegRPCContext) -> Written:
        data, remaining = sent
        deadline = None if remaining is None else monotonic() + remaining
        try:
            answer: Message = await self.methods[method.name](parse(data), deadline)
            return Written(answer.SerializeToString())
        except Exception as error:  # noqa: BLE001  the table of status codes tells what a client may read of it
            # Returned, not raised: what Ray does with an exception loses the trailers.
            return _refused(error, grpc_context)

    return call


def _stream(method: Routed) -> Callable[..., Any]:
    parse = method.request.FromString

    async def call(
        self: Replica, sent: AsyncIterator[Sent], grpc_context: RayServegRPCContext
    ) -> AsyncIterator[Written]:
        requests = (parse(data) async for data, _ in sent)
        try:
            async for answer in self.methods[method.name](requests, None):
                yield Written(answer.SerializeToString())
        except Exception as error:  # noqa: BLE001  likewise
            yield _refused(error, grpc_context)

    return call


def _refused(error: Exception, context: RayServegRPCContext) -> Written:
    code, text, trailers = described(error)
    context.set_code(code)
    context.set_details(text)
    context.set_trailing_metadata(list(trailers))
    return Written(b"")


def _add_methods() -> None:
    for method in routed():
        call = _stream(method) if method.streams else _unary(method)
        call.__name__, call.__qualname__ = method.name, f"Replica.{method.name}"
        setattr(Replica, method.name, call)


_add_methods()
