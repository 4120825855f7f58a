"""JSON from an untrusted file: bounded in size, depth and number of values, each key stated once."""

import json
import re
from collections import Counter
from typing import Any

from converter.archive.budget import Budget
from converter.errors import UnsafeFileError

# Possessive, and an unterminated string reaches to the end: each byte is looked at once.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[{\]}]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SEPARATORS = (b",", b"[", b"{", b":")


class _TwiceError(ValueError):
    """A key occurs twice in one object."""


def parse_json(data: bytes, where: str, budget: Budget) -> dict[str, Any]:
    """Parse a JSON object.

    Numbers that are not finite (``NaN``, ``1e999``) are left to whoever needs the number: the message can
    then name it.

    Raises:
        UnsafeFileError: The text is too large, too deep, no JSON, or no object, or states a key twice.
    """
    if len(data) > budget.config_bytes:
        raise UnsafeFileError(
            f"holds {len(data):,} bytes of JSON, more than the {budget.config_bytes:,} allowed", where=where
        )
    outside = _STRING.sub(b"", data)
    if sum(map(outside.count, _SEPARATORS)) > budget.config_values:
        raise UnsafeFileError(f"holds more than {budget.config_values:,} values", where=where)
    if _depth(outside) > budget.config_depth:
        raise UnsafeFileError(f"is nested deeper than {budget.config_depth} levels", where=where)
    try:
        value = json.loads(data.decode(), object_pairs_hook=_once)
        if _SURROGATE.search(data):  # half a character cannot be printed
            json.dumps(value, ensure_ascii=False).encode()
    except _TwiceError as error:
        raise UnsafeFileError(str(error), where=where) from None
    except (ValueError, RecursionError) as error:
        raise UnsafeFileError(f"is not JSON ({error})", where=where) from None
    if not isinstance(value, dict):
        raise UnsafeFileError("is not a JSON object", where=where)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; two readers of a file in which a key stands twice could understand two things."""
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _TwiceError(f"states '{twice[:60]}' twice")
    return made


def _depth(outside: bytes) -> int:
    """The deepest nesting, found without parsing: brackets outside strings are counted."""
    deepest = level = 0
    for bracket in _BRACKET.finditer(outside):
        level += 1 if bracket[0] in b"[{" else -1
        deepest = max(deepest, level)
    return deepest
