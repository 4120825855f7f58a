"""The progress line on a terminal: redrawn in place, and cleared before results are printed.

The process of the command draws it, which otherwise only waits: a library that works for seconds does not stop it. It
needs no package, so that it appears before those that take long to import.
"""

import contextlib
import os
import shutil
import sys

from converter.process.supervisor import Supervisor

_FRAMES = "|/-\\"


class ProgressLine(Supervisor):
    """The progress line on stderr, and what was published so far.

    Attributes:
        published: The places of published artefacts, in order.
        shown: Whether to draw the line; it is never drawn if stderr is not a terminal.
    """

    def __init__(self) -> None:
        self.published: list[str] = []
        self.shown = False
        self._text = ""
        self._frame = 0

    def phase(self, text: str) -> None:
        """Show the phase."""
        self._text = "".join(c if c.isprintable() else "?" for c in text)
        self._draw()

    def waiting(self) -> None:
        """Turn the spinner."""
        self._frame += 1
        self._draw()

    def printing(self) -> None:
        """Clear the line."""
        if self._text:
            self._write("\r\x1b[K")
        self._text = ""

    def moved(self, place: str) -> None:
        """Remember where it was published."""
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
