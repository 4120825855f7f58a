"""Looks at the beginning of a large request, before the rest of it is decompressed or parsed.

Clients write fields in the order of their numbers, and the model's name is the first field of nearly every request.
So a request for an unknown model is refused early. If another field comes first, it is refused after parsing.
"""

from google.protobuf.descriptor import Descriptor

from serving.dataplane.dataplane import DataPlane
from serving.errors import ModelNotReadyError
from serving.services.element_count import ElementCount
from serving.varint import read_number

FIELDS = 1024
"""Fields that are counted in the first bytes of a compressed request."""

LONGEST = 1024
"""Bytes of a name that are read. Models are named after folders, whose names are shorter."""

_TAG = 0x0A
"""Field 1, length-delimited."""

_DEPTHS = {"model_name": 1, "model_spec": 2}
"""The depth of the model's name in a request, by the name of the request's first field."""


class RequestPeek:
    """Looks at requests of one type.

    Args:
        request: The type.
        plane: Knows the models; None for requests that name no model.
    """

    def __init__(self, request: Descriptor, plane: DataPlane | None = None) -> None:
        self._count = ElementCount(request)
        self._plane = plane
        first = request.fields_by_number.get(1)
        self._depth = _DEPTHS.get(first.name, 0) if first is not None and plane is not None else 0

    def model(self, data: bytes) -> None:
        """Check the model's name, if it comes first.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        name = _name(data, self._depth) if self._depth else None
        if name is not None and self._plane is not None:
            try:
                self._plane.model(name, "")
            except ModelNotReadyError:
                # Another version of the model may be ready.
                return

    def head(self, data: bytes) -> None:
        """Check the first decompressed bytes of a request.

        Raises:
            ServingError: They have too many elements, or name an unknown model.
            DecodeError: They are not protobuf.
        """
        self._count.check(data, FIELDS)
        self.model(data)


def _name(data: bytes, depth: int) -> str | None:
    """The text in the first field of a message, or of a message nested in it, cut to ``LONGEST`` bytes."""
    at = size = 0
    try:
        for _ in range(depth):
            if data[at] != _TAG:
                return None
            size, at = read_number(data, at + 1)
    except IndexError:
        return None
    return data[at : at + min(size, LONGEST)].decode(errors="replace") if at + size <= len(data) else None
