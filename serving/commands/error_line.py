"""An error as one line for a terminal, without control characters."""

from typing import Final

from serving.printable import printable

MOST: Final = 2000
"""Most characters of an error; a text from a server or a file can have millions."""


def in_one_line(text: str) -> str:
    """An error as one line of limited length."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= MOST else f"{line[:MOST]}..."
