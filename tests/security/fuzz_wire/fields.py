"""Mutations of single fields: the message stays one that protobuf can read, and lies."""

import json
import random
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from target import KINDS

NAMES = [
    "affine", "queued", "spare", "kinds", "text", "bf16", "free", "scalar", "broken", "affine_lite",
    "same_lite", "both",
    "x", "y", "back", "x_back", *KINDS, *(f"{kind}_back" for kind in KINDS), "BF16", "FP8", "STRING", "float32",
    "config", "file:1/model.onnx", "priority", "timeout", "sequence_id", "sequence_start", "classification",
    "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size", "binary_data", "region",
    "signature_def", "serving_default", "stable", "log_info", "log_error", "log_verbose_level", "log_file",
    "log_format", "trace_level", "/plainserve_fuzz", "plainserve_fuzz", "labels.txt",
]  # fmt: skip
"""What means something to the server in one field or another."""

ODD = [
    "", " ", "0", "1", "-1", "01", "1e3", "2", "9" * 19, "9" * 5000, "\u00b2", "\u0663", "latest", "*", ".", "..",
    "../affine", "/etc/passwd", "affine/1", "affine\0", "\0", "\n", "a\nERROR: forged", "\x1b[31m", "\u202e",
    "\ufeff", "\U0001f600" * 10, "%s%n{0}{x}", "null", "x" * 300, "x" * 9000, "\u00e4" * 20000, "y" * 100_000,
]  # fmt: skip

WHOLE = [
    0, 1, 2, 3, 7, 8, 63, 64, 65, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**62,
    2**63 - 1, 2**63, 2**64 - 1, 86400, 10**6, 10**9, 10**12, 10**15, -1, -2, -8, -128, -(2**31), -(2**62), -(2**63),
]  # fmt: skip
REAL = [0.0, -0.0, 1.0, float("nan"), float("inf"), float("-inf"), 1e-45, 1e308, -1e308, 5e-324, 3.5e38, 0.1]
JSON = [
    "null",
    "[]",
    "{}",
    "0",
    '""',
    "true",
    "[" * 50,
    '{"a":' * 2000,
    "1e999",
    "-",
    '{"max_batch_size": 1e400}',
]

LARGEST = 4 << 20
"""Bytes of a message above which a mutation is given up."""

LARGE = 100
"""Elements above this many bytes are not repeated thousands of times: the limit of a message is tested elsewhere."""

_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
}


def mutated(message: Message, chance: random.Random) -> Message:
    """A copy of a message with one to six of its fields changed."""
    made = type(message)()
    made.CopyFrom(message)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        _change(made, chance)
        if made.ByteSize() > LARGEST:
            return message
    return made


def _change(message: Message, chance: random.Random) -> None:
    """Change a field of a message, or of one within it."""
    filled = [field for field, _ in message.ListFields()]
    fields = filled if filled and chance.random() < 0.85 else list(message.DESCRIPTOR.fields)
    if not fields:
        return
    field = chance.choice(fields)
    entries = _is_map(field)
    within = list(_messages(message, field, entries=entries))
    if within and chance.random() < 0.75:
        _change(chance.choice(within), chance)
    elif entries:
        _change_map(getattr(message, field.name), field, chance)
    elif field.is_repeated:
        _change_list(getattr(message, field.name), field, chance)
    elif field.message_type is not None:
        chance.choice((message.ClearField, _setter(message)))(field.name)
    else:
        setattr(message, field.name, _value(field, getattr(message, field.name), chance))


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _setter(message: Message) -> Callable[[str], None]:
    return lambda name: getattr(message, name).SetInParent()


def _messages(message: Message, field: FieldDescriptor, *, entries: bool) -> Iterable[Message]:
    if field.message_type is None:
        return []
    value = getattr(message, field.name)
    if entries:
        return [value[key] for key in _keys(value) if isinstance(value[key], Message)]
    if field.is_repeated:
        return list(value)
    return [value] if message.HasField(field.name) else []


def _change_list(values: Any, field: FieldDescriptor, chance: random.Random) -> None:
    kind = chance.randrange(7)
    if field.message_type is not None:
        _change_messages(values, kind, chance)
        return
    some = values[0] if values else None
    if kind == 0 or (kind == 1 and not values):
        del values[:]
    elif kind == 1:
        del values[chance.randrange(len(values))]
    elif kind == 2:
        value = _value(field, some, chance)
        large = isinstance(value, str | bytes) and len(value) > LARGE
        values.extend([value] * chance.choice((1, 2, 20) if large else (1, 2, 100, 10_000)))
    elif kind == 3:
        values.insert(chance.randrange(len(values) + 1), _value(field, some, chance))
    elif kind == 4 and values:
        values.extend(list(values))
    elif values:
        at = chance.randrange(len(values))
        values[at] = _value(field, values[at], chance)


def _change_messages(values: Any, kind: int, chance: random.Random) -> None:
    if kind == 0:
        del values[:]
    elif kind in {1, 2} and values:
        del values[chance.randrange(len(values))]
    elif kind in {3, 4} and values:
        for _ in range(chance.choice((1, 1, 2, 100, 1000))):
            values.add().CopyFrom(values[0])
    elif kind == 5 and values:
        values.insert(0, values.pop())
    else:
        values.add()


def _change_map(entries: Any, field: FieldDescriptor, chance: random.Random) -> None:
    key_field, value_field = (field.message_type.fields_by_name[name] for name in ("key", "value"))
    keys = _keys(entries)
    if keys and chance.random() < 0.3:
        del entries[chance.choice(keys)]
        return
    key = chance.choice(keys) if keys and chance.random() < 0.3 else _value(key_field, None, chance)
    for number in range(chance.choice((1, 1, 1, 1, 300))):
        each = f"{key}{number}" if isinstance(key, str) and number else key
        if value_field.message_type is None:
            entries[each] = _value(value_field, None, chance)
            continue
        value = entries[each]
        if keys and chance.random() < 0.5:
            value.CopyFrom(entries[keys[0]])
        _change(value, chance)


def _keys(entries: Any) -> list[Any]:
    """The keys of a map, in an order that is the same in every process."""
    return sorted(entries, key=repr)


def _value(field: FieldDescriptor, before: Any, chance: random.Random) -> Any:
    kind = field.cpp_type
    if kind in _RANGES:
        least, most = _RANGES[kind]
        near = [before + 1, before - 1, before * 2] if isinstance(before, int) else []
        number = chance.choice(WHOLE + near + [chance.randrange(0, 40)] * 8)
        return number if least <= number <= most else (number % 2**32 if least >= 0 else least)
    if kind in {FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE}:
        return chance.choice(REAL)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return not before
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _octets(before or b"", chance)
    return _text(before or "", chance)


def _text(before: str, chance: random.Random) -> str:
    if before.startswith("{"):
        return _json(before, chance)
    kind = chance.randrange(10)
    if kind < 5:
        return chance.choice(NAMES)
    if kind < 9 or not before:
        return chance.choice(ODD)
    at = chance.randrange(len(before))
    return before[:at] + chance.choice("\0\n\x7f/. 0Z") + before[at + 1 :]


def _json(text: str, chance: random.Random) -> str:
    if chance.random() < 0.15:
        return chance.choice(JSON)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return text[: chance.randrange(len(text))]
    if not isinstance(tree, dict) or not tree:
        return chance.choice(JSON)
    holder: Any = tree
    key: Any = chance.choice(list(tree))
    while isinstance(holder[key], dict | list) and holder[key] and chance.random() < 0.8:
        holder = holder[key]
        key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
    odd = [
        *WHOLE,
        *REAL,
        True,
        None,
        [],
        {},
        [1],
        "TYPE_FP32",
        "TYPE_STRING",
        "TYPE_INVALID",
        "KIND_GPU",
        "KIND_AUTO",
    ]
    holder[key] = chance.choice([*odd, chance.choice(ODD), chance.choice(NAMES), [chance.choice(WHOLE)]])
    return json.dumps(tree)


def _octets(before: bytes, chance: random.Random) -> bytes:
    kind = chance.randrange(6)
    if kind == 0:
        return before[: chance.randrange(len(before) + 1)]
    if kind == 1:
        return before + chance.randbytes(chance.choice((1, 4, 12, 1000)))
    if kind == 2:
        return chance.randbytes(len(before))
    if kind == 3 and len(before) >= 4:
        at = chance.randrange(0, len(before) - 3)
        size = chance.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, len(before), len(before) - 4))
        return before[:at] + (size % 2**32).to_bytes(4, "little") + before[at + 4 :]
    if kind == 4:
        return before * chance.choice((2, 3, 64, 65))
    return b""
