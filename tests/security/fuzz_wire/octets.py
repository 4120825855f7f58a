"""Mutations of a message's bytes: what protobuf must read or refuse."""

import random
from collections.abc import Callable


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to four changes."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        chance.choice(_CHANGES)(made, chance)
    return bytes(made)


def _place(data: bytearray, chance: random.Random) -> int:
    return chance.randrange(len(data) + 1)


def _flip(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at : at + chance.choice((1, 2, 8))] = chance.randbytes(chance.choice((1, 2, 8)))


def _cut(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    del data[at : at + chance.choice((1, 2, 8, len(data)))]


def _repeat(data: bytearray, chance: random.Random) -> None:
    start = _place(data, chance)
    part = data[start : start + chance.choice((2, 8, 64))] * chance.choice((1, 10, 1000))
    at = _place(data, chance)
    data[at:at] = part


def _varint(data: bytearray, chance: random.Random) -> None:
    """A number where a tag, a length or a value may stand: overlong, negative, too large, without an end."""
    at = _place(data, chance)
    odd = (
        b"\x80\x00",
        b"\xff" * 9 + b"\x01",
        b"\xff" * 10,
        b"\xff\xff\xff\xff\x0f",
        b"\x80" * 12,
        b"\x00",
        b"\x7f",
    )
    data[at : at + chance.choice((0, 1))] = chance.choice(odd)


def _unknown(data: bytearray, chance: random.Random) -> None:
    """A field that the message does not have, of each wire type, those that do not exist among them."""
    number, kind = chance.choice((0, 15, 100, 2**29 - 1)), chance.randrange(8)
    tag = number << 3 | kind
    data += _number(tag) + chance.choice((b"", b"\x01", b"\x04abcd", chance.randbytes(8)))


def _nest(data: bytearray, chance: random.Random) -> None:
    """Groups or messages in each other, deeper than a parser likes."""
    depth = chance.choice((10, 99, 101, 5000))
    if chance.random() < 0.5:
        data += b"\x7b" * depth + b"\x7c" * chance.choice((depth, depth - 1, 0))
        return
    inner = b""
    for _ in range(min(depth, 200)):
        inner = bytes([chance.choice((0x0A, 0x22, 0x2A))]) + _number(len(inner)) + inner
    data += inner


def _number(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


_CHANGES: list[Callable[[bytearray, random.Random], None]] = [
    _flip, _flip, _overwrite, _cut, _repeat, _varint, _unknown, _nest
]  # fmt: skip
