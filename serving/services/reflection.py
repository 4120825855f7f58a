"""Reflection: how a generic client learns which services there are and what their messages look like.

``v1`` and ``v1alpha`` have the same messages, and grpcio has only the older name; the newer one is added here.
"""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from protos.pool import POOL
from serving.transport.grpcio.package_services import Guests

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


def add(server: Guests, services: Sequence[str]) -> None:
    """Answer reflection requests about these services."""
    servicer = reflection.aio.ReflectionServicer(services, pool=_Pool())
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICES[0], methods),))
    server.add_registered_method_handlers(SERVICES[0], methods)
