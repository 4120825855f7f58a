"""How much memory a process takes, and how much there is.

Address space is no measure: the runtimes reserve far more than they use.
"""

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

MEMBERSHIP = Path("/proc/self/cgroup")


def resident(process: int) -> int:
    """Bytes of a process that are in memory; 0 if there is no such process."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def total(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Bytes that this process and its children may take: the machine's, or fewer if a cgroup limits them.

    Args:
        root: Where cgroups are mounted.
        membership: The file that names this process's groups; see :func:`serving.runtimes.cpus.quota`.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    groups = [Path(line.split(":", 2)[2]) for line in _lines(membership) if line.count(":") > 1]
    limits = [machine]
    for each in {above for group in groups if ".." not in group.parts for above in (group, *group.parents)}:
        inside = each.relative_to("/")
        limits += _limit(root / inside / "memory.max") + _limit(
            root / "memory" / inside / "memory.limit_in_bytes"
        )
    return min(limits)


def _limit(file: Path) -> list[int]:
    return [int(line) for line in _lines(file) if line.isdigit()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
