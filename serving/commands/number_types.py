"""The argparse types for numbers, whose errors say what is wrong."""

import argparse
from collections.abc import Callable
from typing import Final, TypeVar

_Kind = TypeVar("_Kind", int, float)

YEAR: Final = 365 * 24 * 3600
"""Seconds."""

LONGEST: Final = 40
"""Characters of a number that an error repeats."""


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{_shown(text)}' is not a whole number") from None


def number(text: str) -> float:
    """Any number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{_shown(text)}' is not a number") from None


def between(kind: Callable[[str], _Kind], least: _Kind, most: _Kind) -> Callable[[str], _Kind]:
    """A type that takes the values of another type between two numbers, both included."""

    def checked(text: str) -> _Kind:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{_shown(text)} is not between {least} and {most}")
        return value

    return checked


def seconds(text: str) -> float:
    """Seconds above zero, up to a year: timers of libraries fail with much longer ones."""
    value = number(text)
    if not 0 < value <= YEAR:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is not above zero, or more than a year ({YEAR} s)")
    return value


def duration(text: str) -> float:
    """Seconds, or 0 for none."""
    return 0.0 if number(text) == 0 else seconds(text)


port = between(whole, 0, 65535)
"""A port; 0 lets the system choose."""


def _shown(text: str) -> str:
    """A number as it was typed, truncated if it is too long."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
