"""The methods that go through Ray's proxy; the proxy and the replicas use the same table.

Ray finds a replica's method by the last part of a call's name, ``/service/method``, so no two may share it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2

from serving.services.open_inference import inference_service
from serving.services.tensorflow_serving import model_service, prediction_service

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]

SERVICES: tuple[ServiceDescriptor, ...] = (
    inference_service.SERVICE,
    prediction_service.SERVICE,
    model_service.SERVICE,
    HEALTH,
)

UNROUTED = {"Watch"}
"""A Watch call would occupy a replica for as long as it lasts; clients fall back to Check."""


@dataclass(frozen=True, slots=True)
class Routed:
    """A method that a replica answers.

    Attributes:
        service: Its service's full name.
        name: Its name.
        request: The message it takes.
        streams: Whether it takes any number of messages and returns any number.
    """

    service: str
    name: str
    request: type[Message]
    streams: bool


def routed() -> Iterator[Routed]:
    """Every method that a replica answers, including those that it refuses."""
    for service in SERVICES:
        for method in service.methods:
            if method.name not in UNROUTED:
                yield _routed(service, method)


def _routed(service: ServiceDescriptor, method: MethodDescriptor) -> Routed:
    return Routed(
        service.full_name, method.name, GetMessageClass(method.input_type), bool(method.client_streaming)
    )
