"""Messages that are nothing but elements of one repeated field: one for each such field of each request."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from protos import open_inference_pb2 as inference
from protos import tensorflow_serving_pb2 as tensorflow
from serving.varint import write_number

SERVICES = [
    service
    for file in (inference, tensorflow, health_pb2, reflection_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED = {
    FieldDescriptor.CPPTYPE_FLOAT: (_FIXED32, bytes(4)),
    FieldDescriptor.CPPTYPE_DOUBLE: (_FIXED64, bytes(8)),
}


@dataclass(frozen=True)
class Flood:
    """Elements of one field of one request.

    Attributes:
        method: ``/service/method``.
        request: The type of the request.
        path: The fields that lead to the elements; empty for elements of a field that nobody knows.
        packed: Whether the elements, which are numbers, stand side by side.
        streams: Whether the method takes a stream.
    """

    method: str
    request: Descriptor
    path: tuple[FieldDescriptor, ...]
    packed: bool
    streams: bool

    def __str__(self) -> str:
        names = ".".join(each.name for each in self.path) or "unknown"
        return f"{self.method.rpartition('/')[2]}-{names}{'-packed' * self.packed}"

    def data(self, size: int, model: str) -> bytes:
        """About so many bytes of them, for a model where the request names one first."""
        data = self._elements(size)
        for each in self.path[-2::-1]:
            data = _field(each.number, data)
        return self._named(model) + data

    def parse(self, data: bytes) -> None:
        """What any server has to do with these bytes."""
        GetMessageClass(self.request).FromString(data)

    def _elements(self, size: int) -> bytes:
        if not self.path:
            return _field(2047, b"") * (size // 4)
        field = self.path[-1]
        kind, element = _FIXED.get(field.cpp_type, (_VARINT, b"\1"))
        if field.cpp_type in {FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_MESSAGE}:
            kind, element = _LENGTH, b"\0"
        if self.packed:
            return _field(field.number, element * (size // len(element)))
        one = write_number(field.number << 3 | kind) + element
        return one * (size // len(one))

    def _named(self, model: str) -> bytes:
        first = self.request.fields_by_number.get(1)
        name = _field(1, model.encode())
        if first is None or first.name not in {"model_name", "name", "model_spec"}:
            return b""
        return _field(1, name) if first.name == "model_spec" else name


def every() -> Iterator[Flood]:
    """One for each repeated field of each request of each method, and one more for each method."""
    for service in SERVICES:
        for method in service.methods:
            name, request = f"/{service.full_name}/{method.name}", method.input_type
            yield Flood(name, request, (), packed=False, streams=method.client_streaming)
            for path in _paths(request, ()):
                numbers = path[-1].cpp_type not in {
                    FieldDescriptor.CPPTYPE_STRING,
                    FieldDescriptor.CPPTYPE_MESSAGE,
                }
                for packed in (False, True) if numbers else (False,):
                    yield Flood(name, request, path, packed=packed, streams=method.client_streaming)


def _paths(message: Descriptor, before: Sequence[FieldDescriptor]) -> Iterator[tuple[FieldDescriptor, ...]]:
    for field in message.fields:
        path = (*before, field)
        if field.is_repeated:
            yield path
        if field.message_type is not None and field not in before:
            yield from _paths(field.message_type, path)


def _field(number: int, data: bytes) -> bytes:
    return write_number(number << 3 | _LENGTH) + write_number(len(data)) + data
