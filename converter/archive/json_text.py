"""Parses JSON from an untrusted file, with bounded size, depth and number of values; duplicate keys are refused."""

import json
import re
from collections import Counter
from typing import Any

from converter.archive.budget import Budget
from converter.errors import UnsafeFileError

# Possessive quantifiers, and an unterminated string extends to the end, so that matching takes linear time.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[{\]}]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SEPARATORS = (b",", b"[", b"{", b":")


class _TwiceError(ValueError):
    """A key occurs twice in one object."""


def parse_json(data: bytes, where: str, budget: Budget) -> dict[str, Any]:
    """Parse a JSON object.

    Numbers that are not finite (``NaN``, ``1e999``) are accepted here. The code that uses a number refuses it, with
    a message that names it.

    Raises:
        UnsafeFileError: The text is too large, nested too deeply, not JSON or not an object, or has a key twice.
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
        if _SURROGATE.search(data):  # an unpaired surrogate could not be printed
            json.dumps(value, ensure_ascii=False).encode()
    except _TwiceError as error:
        raise UnsafeFileError(str(error), where=where) from None
    except (ValueError, RecursionError) as error:
        raise UnsafeFileError(f"is not JSON ({error})", where=where) from None
    if not isinstance(value, dict):
        raise UnsafeFileError("is not a JSON object", where=where)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, and refuse duplicate keys, which different parsers resolve differently."""
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
