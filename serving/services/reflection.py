"""Reflection: how a generic client learns which services there are and what their messages look like.

``v1`` and ``v1alpha`` have the same messages, and grpcio has only the older name; the newer one is added here.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from protos.pool import POOL
from serving.flow_control.flow_control import FlowControl
from serving.services.uncounted import uncounted_stream
from serving.transport.transport import Method

ALPHA = "grpc.reflection.v1alpha"
STABLE = "grpc.reflection.v1"

# Reflection answers from one pool, and these come from packages that use protobuf's default one.
for _module in (health_pb2, reflection_pb2):
    POOL.AddSerializedFile(_module.DESCRIPTOR.serialized_pb)


def _renamed() -> FileDescriptorProto:
    """The messages and the service of ``v1alpha`` under the name ``v1``."""
    text = reflection_pb2.DESCRIPTOR.serialized_pb
    file = FileDescriptorProto.FromString(text)
    file.name, file.package = "grpc/reflection/v1/reflection.proto", STABLE
    for message in file.message_type:
        for field in (each for each in message.field if each.type_name):
            field.type_name = field.type_name.replace(f".{ALPHA}.", f".{STABLE}.")
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(f".{ALPHA}.", f".{STABLE}.")
        method.output_type = method.output_type.replace(f".{ALPHA}.", f".{STABLE}.")
    return file


POOL.Add(_renamed())

SERVICES = (f"{STABLE}.ServerReflection", f"{ALPHA}.ServerReflection")
"""The names under which reflection answers."""

PATHS = tuple(f"/{service}/ServerReflectionInfo" for service in SERVICES)


class _Pool:
    """The pool, with methods among the symbols that it finds: protobuf's own search knows all but these."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the pool has
        return getattr(POOL, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802  protobuf's name
        """The file that defines a symbol, given by its full name.

        Raises:
            KeyError: There is none.
        """
        try:
            return POOL.FindFileContainingSymbol(symbol)
        except KeyError:
            return POOL.FindMethodByName(symbol).containing_service.file


class Reflection:
    """Answers what clients ask about services and messages.

    Args:
        services: The full names of the services.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self._servicer = reflection.aio.ReflectionServicer(services, pool=_Pool())

    def methods(self, flow: FlowControl) -> dict[str, Method]:
        """The methods by path.

        Args:
            flow: Unpacks requests.
        """
        request = reflection_pb2.ServerReflectionRequest
        return {path: uncounted_stream(self.answer, request, flow) for path in PATHS}

    def answer(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """A ServerReflectionResponse for each ServerReflectionRequest."""
        answers: AsyncIterator[Any] = self._servicer.ServerReflectionInfo(requests, None)
        return answers
