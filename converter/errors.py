"""The errors of the converter, with their exit codes.

ConversionError
├── UsageError               2  the command line asks for something impossible
├── UnsafeFileError          3  not a Keras model, damaged, or unsafe
├── UnsupportedError         4  something in the model is not supported
├── ParityError              5  the outputs of an artefact differ from those of the original
└── EnvironmentLacksError    6  a dependency, permission or space is missing

An error is one or two lines: what is wrong and where, then what to do about it.
"""

from typing import ClassVar


class ConversionError(Exception):
    """Base of every error that is reported without a traceback.

    Attributes:
        where: The place in the model or on disk, such as ``layer 'dense_1'``; empty if there is none.
        hint: What the user can do; empty if there is nothing.
    """

    exit_code: ClassVar[int]

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        first = printable(f"{self.where}: {self.what}" if self.where else self.what)
        return f"{first}\n{printable(self.hint)}" if self.hint else first


def printable(text: str) -> str:
    """Escape control characters, so that a name from a file cannot control the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class UsageError(ConversionError):
    """The command line asks for something impossible or contradictory."""

    exit_code = 2


class UnsafeFileError(ConversionError):
    """The file is not a Keras model, is damaged, or holds something unsafe."""

    exit_code = 3


class UnsupportedError(ConversionError):
    """The model holds something that Plainserve cannot convert faithfully."""

    exit_code = 4


class ParityError(ConversionError):
    """The outputs of an artefact differ from those of the original by more than the tolerance."""

    exit_code = 5


class EnvironmentLacksError(ConversionError):
    """The machine lacks a dependency, a permission or disk space."""

    exit_code = 6
