"""Reasons reach clients, and libraries write into them where files lie, here and where the library was built."""

import os
import re
from pathlib import Path

LONGEST = 400
"""Characters of a reason; some libraries add a stack of frames, and a hostile file can hold a name of any length."""

_PATH = re.compile(
    r"(?<![\w./-])/+(?P<top>[^\s/'\"<>:;,()\[\]]+)/(?:[^\s/'\"<>:;,()\[\]]+/)*(?P<name>[^\s/'\"<>:;,()\[\]]*)"
)
_SOURCE = re.compile(r".+\.(?:cc|cpp|cu|h|hpp|py)", re.ASCII)
_TRACEBACK = re.compile(r"(?:Traceback )?\(most recent call last\).*", re.DOTALL)


def plain(reason: str, folder: Path, root: Path) -> str:
    """One line that tells what is wrong, without the server's paths.

    Args:
        reason: What a library or this server says.
        folder: The version's folder; what lies in it is called by its path from there.
        root: The repository.
    """
    for path in (folder, folder.resolve(), root, root.resolve()):
        reason = reason.replace(f"{path}/", "").replace(str(path), path.name)
    # On one line only after the traceback is gone: it ends where the text does.
    line = " ".join(_TRACEBACK.sub("", reason).split())
    line = _PATH.sub(_last_part, line)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def _last_part(found: re.Match[str]) -> str:
    """The name at the end of a path; what is no path, such as the name of a node in a graph, is left alone."""
    name = found["name"]
    is_path = _SOURCE.fullmatch(name) or os.path.lexists(f"/{found['top']}")
    return name or found["top"] if is_path else found[0]
