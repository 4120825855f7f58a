"""Parses Python's marshal format into plain values only.

The format (CPython ``Python/marshal.c``, versions 2 to 5): the first byte of an object is its kind, and its top bit
says that the object gets the next number in a list of references; integers are little-endian; a container is a
count and its items; a code object is a fixed sequence of fields that depends on the version of Python (``Layout``).

The bytes are untrusted. Every length is checked against the bytes that are left, depth is bounded, a reference must
point to a complete object, and nothing that was read is hashed, compared or executed.
"""

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

from converter.lambdas.errors import LambdaUnreadableError, damaged

_REFERENCED = 0x80
_MAX_DEPTH = 20
_MAX_LONG_DIGITS = 80  # of 15 bits each: more than the largest float64 needs


class Layout(NamedTuple):
    """The sequence of fields of a code object in one range of Python versions.

    Attributes:
        integers: The 32-bit integers that come first.
        objects: The objects after them. Then comes the first line number, an integer.
        tables: The objects that end it: line numbers, exceptions.
    """

    integers: tuple[str, ...]
    objects: tuple[str, ...]
    tables: tuple[str, ...]


class MarshalledCode(NamedTuple):
    """A code object's fields by name, unchecked."""

    fields: Mapping[str, object]


class Unneeded(NamedTuple):
    """A value that was skipped, because a lambda that uses it is not supported."""

    kind: str


def read_marshal(data: bytes, layout: Layout) -> object:
    """Read the one object that ``data`` holds.

    Args:
        data: Marshalled bytes, all of them.
        layout: How code objects among them are laid out.

    Returns:
        None, a bool, int, float, str, bytes, tuple, ``MarshalledCode`` or ``Unneeded``.

    Raises:
        LambdaUnreadableError: The bytes are not in this format.
    """
    reader = _Reader(data, layout)
    value = reader.read_object()
    if reader.position != len(data):
        raise damaged("something follows its end")
    return value


class _Unfinished:
    """Placeholder for a referenced object while its parts are being read."""


class _Reader:
    def __init__(self, data: bytes, layout: Layout) -> None:
        self.position = 0
        self._data = data
        self._layout = layout
        self._depth = 0
        self._references: list[object] = []

    def read_object(self) -> object:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise damaged("it is nested too deeply")
        kind = self._byte()
        read = _READERS.get(kind & ~_REFERENCED)
        if read is None:
            raise damaged("it holds an object of an unknown kind")
        number = len(self._references)
        if kind & _REFERENCED:
            self._references.append(_Unfinished())
        value = read(self)
        if kind & _REFERENCED:
            self._references[number] = value
        self._depth -= 1
        return value

    def reference(self) -> object:
        number = self.integer()
        if not 0 <= number < len(self._references) or isinstance(self._references[number], _Unfinished):
            raise damaged("it refers to an object that is not there")
        return self._references[number]

    def long(self) -> int:
        count = self.integer()
        if abs(count) > _MAX_LONG_DIGITS:
            raise LambdaUnreadableError("it holds a number too large for float64")
        digits = struct.unpack(f"<{abs(count)}H", self._take(2 * abs(count)))
        if any(digit >> 15 for digit in digits):
            raise damaged("it holds a malformed number")
        magnitude: int = sum(digit << (15 * place) for place, digit in enumerate(digits))
        return -magnitude if count < 0 else magnitude

    def real(self) -> float:
        return float(struct.unpack("<d", self._take(8))[0])

    def imaginary(self) -> Unneeded:
        self._take(16)
        return Unneeded("a complex number")

    def string(self) -> bytes:
        return self._take(self.integer())

    def text(self) -> str:
        return _decoded(self._take(self.integer()))

    def short_text(self) -> str:
        return _decoded(self._take(self._byte()))

    def items(self) -> tuple[object, ...]:
        return self._items(self.integer())

    def few_items(self) -> tuple[object, ...]:
        return self._items(self._byte())

    def frozen_set(self) -> Unneeded:
        self._items(self.integer())
        return Unneeded("a set")

    def bounds(self) -> Unneeded:
        self._items(3)
        return Unneeded("a slice")

    def code(self) -> MarshalledCode:
        fields: dict[str, object] = {name: self.integer() for name in self._layout.integers}
        for name in self._layout.objects:
            fields[name] = self.read_object()
        self.integer()  # the first line number
        for name in self._layout.tables:
            fields[name] = self.read_object()
        return MarshalledCode(fields)

    def _items(self, count: int) -> tuple[object, ...]:
        if not 0 <= count <= len(self._data) - self.position:
            raise damaged("it ends too early")
        return tuple(self.read_object() for _ in range(count))

    def _byte(self) -> int:
        return self._take(1)[0]

    def integer(self) -> int:
        return int.from_bytes(self._take(4), "little", signed=True)

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self.position:
            raise damaged("it ends too early")
        self.position += count
        return self._data[self.position - count : self.position]


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise damaged("it holds malformed text") from None


_READERS: Mapping[int, Callable[[_Reader], object]] = {
    ord("N"): lambda _: None,
    ord("F"): lambda _: False,
    ord("T"): lambda _: True,
    ord("."): lambda _: Unneeded("an ellipsis"),
    ord("i"): _Reader.integer,
    ord("l"): _Reader.long,
    ord("g"): _Reader.real,
    ord("y"): _Reader.imaginary,
    ord("s"): _Reader.string,
    # Text: any, interned; ASCII, interned; shorter than 256, interned.
    ord("u"): _Reader.text,
    ord("t"): _Reader.text,
    ord("a"): _Reader.text,
    ord("A"): _Reader.text,
    ord("z"): _Reader.short_text,
    ord("Z"): _Reader.short_text,
    ord("("): _Reader.items,
    ord(")"): _Reader.few_items,
    ord(">"): _Reader.frozen_set,
    ord(":"): _Reader.bounds,
    ord("c"): _Reader.code,
    ord("r"): _Reader.reference,
}
