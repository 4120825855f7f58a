"""Reflection: how a generic client learns which services there are and what their messages look like."""

from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from protos.pool import POOL

SERVICE = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]

# Reflection answers from one pool, and these come from packages that use protobuf's default one.
for _module in (health_pb2, reflection_pb2):
    POOL.AddSerializedFile(_module.DESCRIPTOR.serialized_pb)


def add(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Answer reflection requests about these services."""
    servicer = reflection.aio.ReflectionServicer(services, pool=POOL)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
