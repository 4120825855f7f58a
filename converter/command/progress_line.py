"""What a person at a terminal sees while the work goes on: one line, drawn over itself, cleared before results.

It is drawn by the command's own process, which only waits: a library that works for seconds cannot stop it. It needs
no package, so that it is there before those that take long to import.
"""

import contextlib
import os
import shutil
import sys

from converter.process.supervisor import Supervisor

_FRAMES = "|/-\\"


class Terminal(Supervisor):
    """The line on stderr, and what was published so far.

    Attributes:
        published: Where, in order.
        shown: Whether the line is wanted; it is left out all the same where stderr is no terminal.
    """

    def __init__(self) -> None:
        self.published: list[str] = []
        self.shown = False
        self._text = ""
        self._frame = 0

    def phase(self, text: str) -> None:
        """Show it."""
        self._text = "".join(c if c.isprintable() else "?" for c in text)
        self._draw()

    def waiting(self) -> None:
        """Show that time passes."""
        self._frame += 1
        self._draw()

    def printing(self) -> None:
        """Clear the line."""
        if self._text:
            self._write("\r\x1b[K")
        self._text = ""

    def moved(self, place: str) -> None:
        """Remember it."""
        if place:
            self.published.append(place)

    def _draw(self) -> None:
        if self._text:
            line = f"{_FRAMES[self._frame % len(_FRAMES)]} {self._text}"
            self._write(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K")

    def _write(self, text: str) -> None:
        if self.shown and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            with contextlib.suppress(OSError):  # it was closed
                sys.stderr.write(text)
                sys.stderr.flush()
