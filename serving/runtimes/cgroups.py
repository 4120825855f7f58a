"""The cgroups that a process is in: a limit may be set on any of them, from its own up to the root."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
"""Where cgroups are mounted."""

MEMBERSHIP = Path("/proc/self/cgroup")
"""Names this process's groups, ``hierarchy:controllers:/path`` a line; version 2 is hierarchy 0, with no names."""


def folders(controller: str, root: Path, membership: Path) -> tuple[list[Path], list[Path]]:
    """The folders that may limit what a controller gives, the innermost first: of version 2, and of version 1.

    In a container the path may be one of the host that is not mounted; the root is then the group itself.

    Args:
        controller: Such as ``cpu`` or ``memory``.
        root: Where cgroups are mounted.
        membership: The file that names the groups.
    """
    newer, older = Path("/"), Path("/")
    for line in lines(membership):
        hierarchy, controllers, path = line.split(":", 2)
        if ".." in Path(path).parts:
            continue
        if hierarchy == "0":
            newer = Path(path)
        elif controller in controllers.split(","):
            older = Path(path)
    return list(_above(root, newer)), list(_above(root / controller, older))


def lines(path: Path) -> list[str]:
    """The lines of a file; none if it cannot be read."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _above(root: Path, group: Path) -> Iterator[Path]:
    return (root / each.relative_to("/") for each in (group, *group.parents))
