"""Numbers on a command line: argparse types that say what is wrong with one."""

import argparse
from collections.abc import Callable
from typing import TypeVar

_Kind = TypeVar("_Kind", int, float)


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None


def number(text: str) -> float:
    """Any number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None


def positive(kind: Callable[[str], _Kind]) -> Callable[[str], _Kind]:
    """A type of those above zero, among what another type takes."""

    def checked(text: str) -> _Kind:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not above zero, or has no end")
        return value

    return checked


def duration(text: str) -> float:
    """Seconds, or 0 for none."""
    return 0.0 if number(text) == 0 else positive(number)(text)


def port(text: str) -> int:
    """A port; 0 lets the system choose."""
    chosen = whole(text)
    if not 0 <= chosen <= 65535:
        raise argparse.ArgumentTypeError(f"{chosen} is not between 0 and 65535")
    return chosen
