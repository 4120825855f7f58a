"""Opens an input file once, and reads it through one handle, so that the bytes that are used are those checked."""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from converter.archive.budget import Budget
from converter.archive.file_window import Window
from converter.archive.other_formats import refuse_folder, refuse_missing
from converter.errors import UsageError


@dataclass(frozen=True)
class Source:
    """An open file, which is never reopened by its name.

    Attributes:
        path: Its path when it was opened.
        file: The handle.
        budget: The limits.
        stack: Closes everything that is opened while the file is read.
    """

    path: Path
    file: BufferedReader
    budget: Budget
    stack: contextlib.ExitStack

    @classmethod
    def open(cls, path: Path, budget: Budget, stack: contextlib.ExitStack) -> "Source":
        """Open a file.

        Raises:
            UsageError: There is no such file, or it cannot be read.
            UnsafeFileError: It is a folder; the text says which kind of folder.
        """
        if path.is_dir():
            refuse_folder(path)
        refuse_missing(path)
        if path.exists() and not path.is_file():
            raise UsageError("is no regular file", where=str(path))
        try:
            return cls(path, stack.enter_context(path.open("rb")), budget, stack)
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from None

    @property
    def name(self) -> str:
        """The file's name in messages."""
        return self.path.name

    def window(self) -> Window:
        """A window on the whole file."""
        return self.stack.enter_context(Window(self.file.fileno()))

    def digest(self) -> str:
        """SHA-256 of its bytes, in hexadecimal."""
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()


def combined_digest(digests: Sequence[str]) -> str:
    """The digest of a model: for one file its own; for several, that of a text with one digest per line."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()
