"""JSON from an untrusted file: bounded in size and depth, and without numbers that JSON does not have."""

import json
import re
from typing import Any

from converter.archive.budget import Budget
from converter.errors import UnsafeFileError

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(rb"[\[{\]}]")


def parse_json(data: bytes, where: str, budget: Budget) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        UnsafeFileError: The text is too large, too deep, no JSON, or no object.
    """
    if len(data) > budget.config_bytes:
        raise UnsafeFileError(
            f"holds {len(data):,} bytes of JSON, more than the {budget.config_bytes:,} allowed", where=where
        )
    if _depth(data) > budget.config_depth:
        raise UnsafeFileError(f"is nested deeper than {budget.config_depth} levels", where=where)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnsafeFileError(f"is not JSON ({error})", where=where) from None
    if not isinstance(value, dict):
        raise UnsafeFileError("is not a JSON object", where=where)
    return value


def _depth(data: bytes) -> int:
    """The deepest nesting, found without parsing: brackets outside strings are counted."""
    deepest = level = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", data)):
        level += 1 if bracket[0] in b"[{" else -1
        deepest = max(deepest, level)
    return deepest
