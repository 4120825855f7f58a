"""How much memory this process may take, and how much it and others take.

Address space is no measure: the runtimes reserve far more than they use.
"""

import math
import os
from pathlib import Path

from serving.runtimes import cgroups, cpus

USE = Path("/proc/self/statm")
"""What a process takes, in pages: in all, resident, and resident that files or shared memory back."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


def available() -> float:
    """This process's share of the bytes that the machine has and its cgroups allow."""
    return total() / cpus.processes()


def total(root: Path = cgroups.ROOT, membership: Path = cgroups.MEMBERSHIP) -> float:
    """The bytes that the machine has and the cgroups allow, for all processes together.

    Args:
        root: Where cgroups are mounted.
        membership: The file that names this process's groups.
    """
    return min(os.sysconf("SC_PHYS_PAGES") * _PAGE, limit(root, membership))


def resident(process: int) -> int:
    """The bytes of any process that are in memory; 0 if there is no such process."""
    found = cgroups.lines(Path(f"/proc/{process}/statm"))
    return int(found[0].split()[1]) * _PAGE if found else 0


def taken() -> int:
    """The bytes that this process holds for itself; 0 where the system does not tell."""
    found = cgroups.lines(USE)
    if not found:
        return 0
    _, resident, shared, *_ = map(int, found[0].split())
    return (resident - shared) * _PAGE


def limit(root: Path = cgroups.ROOT, membership: Path = cgroups.MEMBERSHIP) -> float:
    """The bytes that the cgroups allow; infinite if nothing limits them.

    Args:
        root: Where cgroups are mounted.
        membership: The file that names this process's groups.
    """
    newer, older = cgroups.folders("memory", root, membership)
    files = [*(each / "memory.max" for each in newer), *(each / "memory.limit_in_bytes" for each in older)]
    # The older layout writes a number beyond any memory where there is no limit.
    return min(
        (int(text) for file in files for text in cgroups.lines(file) if text != "max"), default=math.inf
    )
