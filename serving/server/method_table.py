"""The methods of all services by path, put together from the parts that implement them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from serving.dataplane.dataplane import DataPlane
from serving.errors import ServingError, UnsupportedError
from serving.flow_control.flow_control import FlowControl
from serving.services.method_handlers import MessageMethod, from_message_method, stream, unary
from serving.services.request_peek import RequestPeek
from serving.services.worker_group import ADMINISTRATIVE_METHODS, WorkerGroup, forward_to_group
from serving.transport.transport import Method


class MethodTable:
    """Leads from paths to methods.

    Of a method that a part also has with ``Wire`` behind its name, that one is taken: it works on bytes. One with
    ``Batches`` behind its name makes what answers several calls of the method at once. One with ``DryRun`` behind its
    name tries what the method would load.

    Args:
        services: The parts that implement the methods of each service. A method that none of them has is
            UNIMPLEMENTED.
        flow: Told of each call.
        plane: Knows the models.
        group: The processes that serve together, if there are several.

    Attributes:
        methods: The methods by path, ``/service/method``.
    """

    def __init__(
        self,
        services: Mapping[ServiceDescriptor, Sequence[object]],
        flow: FlowControl,
        plane: DataPlane,
        group: WorkerGroup | None,
    ) -> None:
        self._flow = flow
        self._plane = plane
        self._group = group
        self._administrative: dict[str, tuple[MessageMethod, type[Message]]] = {}
        self._dry_runs: dict[str, Callable[[Any], Awaitable[None]]] = {}
        self.methods: dict[str, Method] = {}
        for service, parts in services.items():
            for method in service.methods:
                self._add(f"/{service.full_name}/{method.name}", method, parts)

    async def apply(self, path: str, request: bytes) -> bytes:
        """Do here what an administrative call asks of every process; see :mod:`serving.services.worker_group`."""
        method, request_type = self._administrative[path]
        return (await method(request_type.FromString(request), None)).SerializeToString()

    async def dry_run(self, path: str, request: bytes) -> None:
        """Try what an administrative call would load. Its errors are told when the call itself is done."""
        method = self._dry_runs.get(path)
        if method is not None:
            with suppress(ServingError):
                await method(self._administrative[path][1].FromString(request))

    def _add(self, path: str, method: MethodDescriptor, parts: Sequence[object]) -> None:
        request = GetMessageClass(method.input_type)
        found, wire = _found(parts, method.name), _found(parts, f"{method.name}Wire")
        if (dry_run := _found(parts, f"{method.name}DryRun")) is not None:
            self._dry_runs[path] = dry_run
        peek = RequestPeek(method.input_type, self._plane)
        if method.client_streaming and found is not None:
            self.methods[path] = stream(found, request, self._flow, path, peek)
        elif wire is not None:
            batches = _found(parts, f"{method.name}Batches")
            made = batches and batches(self._flow, path)
            self.methods[path] = unary(wire, self._flow, path, peek, made, eager=True)
        elif not method.client_streaming:
            call = self._for_all(path, method, found or _unsupported(method.name), request)
            self.methods[path] = unary(from_message_method(call, request), self._flow, path, peek)

    def _for_all(
        self, path: str, method: MethodDescriptor, call: MessageMethod, request: type[Message]
    ) -> MessageMethod:
        """The method itself, or what has every process of a group do it."""
        if self._group is None or path not in ADMINISTRATIVE_METHODS:
            return call
        self._administrative[path] = call, request
        return forward_to_group(path, GetMessageClass(method.output_type), self._group)


def _found(parts: Sequence[object], name: str) -> Any:  # noqa: ANN401  a method of any signature
    return next((getattr(part, name) for part in parts if hasattr(part, name)), None)


def _unsupported(name: str) -> MessageMethod:
    async def refuse(_request: Message, _deadline: float | None) -> NoReturn:
        raise UnsupportedError(f"this server does not do {name}")

    return refuse
