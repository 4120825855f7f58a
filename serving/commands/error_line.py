"""Text of others on a terminal: what would steer the terminal, or begin a new line, is shown and not done."""

from typing import Final

MOST: Final = 2000
"""Characters of an error; a server, or a cell of a file, can send millions."""


def printable(text: str) -> str:
    """The text with each character that is not to be seen written as Python writes it in a string."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def in_one_line(text: str) -> str:
    """An error as one line of a sane length, for a person."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= MOST else f"{line[:MOST]}..."
