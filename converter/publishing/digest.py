"""SHA-256 and size of a file or of a folder."""

import hashlib
from pathlib import Path


def sha256(path: Path, without: frozenset[str] = frozenset()) -> str:
    """SHA-256 of a file, or of a folder: of its sorted relative names and the digests of its files.

    Args:
        path: The file or folder.
        without: Names directly in the folder to leave out.
    """
    if path.is_dir():
        whole = hashlib.sha256()
        for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
            if file.parent == path and file.name in without:
                continue
            whole.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n".encode())
        return whole.hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_dir():
        return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
    return path.stat().st_size
