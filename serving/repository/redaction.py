"""Redacts the server's paths from error texts that clients can read.

Libraries write into their errors where files are, on this machine and where the library was built.
"""

import os
import re
from pathlib import Path

LONGEST = 400
"""Most characters of a reason. Some libraries add a stack trace, and a hostile file can have a name of any length."""

_PATH = re.compile(
    r"(?<![\w./-])/+(?P<top>[^\s/'\"<>:;,()\[\]]+)/(?:[^\s/'\"<>:;,()\[\]]+/)*(?P<name>[^\s/'\"<>:;,()\[\]]*)"
)
_SOURCE = re.compile(r".+\.(?:cc|cpp|cu|h|hpp|py)", re.ASCII)
_TRACEBACK = re.compile(r"(?:Traceback )?\(most recent call last\).*", re.DOTALL)


def redact(reason: str, folder: Path, root: Path) -> str:
    """The reason of an error in one line, without the server's paths.

    Args:
        reason: The text of an error of a library or of this server.
        folder: The version's folder; files in it are named relative to it.
        root: The repository.
    """
    for path in (folder, folder.resolve(), root, root.resolve()):
        reason = reason.replace(f"{path}/", "").replace(str(path), path.name)
    # Joined into one line only after the traceback is removed, which extends to the end of the text.
    line = " ".join(_TRACEBACK.sub("", reason).split())
    line = _PATH.sub(_last_part, line)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def _last_part(found: re.Match[str]) -> str:
    """The last part of a path. Text that is no path, such as the name of a node in a graph, is left as it is."""
    name = found["name"]
    is_path = _SOURCE.fullmatch(name) or os.path.lexists(f"/{found['top']}")
    return name or found["top"] if is_path else found[0]
