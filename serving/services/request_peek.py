"""Looks at how a large request begins, before the rest of it is unpacked or parsed.

Clients write fields in the order of their numbers, and the model's name is the first of nearly every request: of one
for no model the rest is not looked at. Where another field stands first, the request is refused once it is parsed.
"""

from google.protobuf.descriptor import Descriptor

from serving.dataplane.dataplane import DataPlane
from serving.errors import ModelNotReadyError
from serving.services.element_count import ElementCount
from serving.varint import read_number

FIELDS = 1024
"""Fields that are walked over in what was unpacked first."""

LONGEST = 1024
"""Bytes of a name that are looked at; folders, which models are named after, have shorter ones."""

_TAG = 0x0A
"""Field 1, with a length."""

_DEPTHS = {"model_name": 1, "model_spec": 2}
"""How deep a model's name stands in a request whose first field is called so."""


class RequestPeek:
    """Looks at requests of one type.

    Args:
        request: The type.
        plane: Knows the models; None for requests that name none.
    """

    def __init__(self, request: Descriptor, plane: DataPlane | None = None) -> None:
        self._count = ElementCount(request)
        self._plane = plane
        first = request.fields_by_number.get(1)
        self._depth = _DEPTHS.get(first.name, 0) if first is not None and plane is not None else 0

    def model(self, data: bytes) -> None:
        """Look for the model's name.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        name = _name(data, self._depth) if self._depth else None
        if name is not None and self._plane is not None:
            try:
                self._plane.model(name, "")
            except ModelNotReadyError:
                # Another version of it may be.
                return

    def head(self, data: bytes) -> None:
        """Look at what was unpacked first of a request.

        Raises:
            ServingError: Already this is too much, or for no model.
            DecodeError: It is no protobuf.
        """
        self._count.check(data, FIELDS)
        self.model(data)


def _name(data: bytes, depth: int) -> str | None:
    """The text in the first field of a message, or of the message in it, or how that text begins."""
    at = size = 0
    try:
        for _ in range(depth):
            if data[at] != _TAG:
                return None
            size, at = read_number(data, at + 1)
    except IndexError:
        return None
    return data[at : at + min(size, LONGEST)].decode(errors="replace") if at + size <= len(data) else None
