"""How many processors this process may use.

Libraries count the host's processors; a container is often given fewer, by affinity or by a cgroup quota, and
threads beyond that only preempt each other.
"""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def available() -> int:
    """The processors this process may use, by affinity and by cgroup quota; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, quota())))


def quota(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> float:
    """The processor time the cgroups allow, in processors; infinite if nothing limits it.

    Args:
        root: Where cgroups are mounted.
        membership: The file that names this process's groups (version 2: one line, ``0::/path``).
    """
    return min(_quota_v2(root, membership), _quota_v1(root / "cpu"))


def _quota_v2(root: Path, membership: Path) -> float:
    group = next((line[3:].strip() for line in _lines(membership) if line.startswith("0::")), "/")
    folder = root / group.lstrip("/")
    # The tightest limit may be set on any group above.
    limits = [_ratio(*line.split()) for at in (folder, *folder.parents) for line in _lines(at / "cpu.max")]
    return min(limits, default=math.inf)


def _quota_v1(folder: Path) -> float:
    quota_us, period_us = _lines(folder / "cpu.cfs_quota_us"), _lines(folder / "cpu.cfs_period_us")
    if not quota_us or not period_us or quota_us[0].startswith("-"):
        return math.inf
    return _ratio(quota_us[0], period_us[0])


def _ratio(quota_us: str, period_us: str) -> float:
    return math.inf if quota_us == "max" else int(quota_us) / int(period_us)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
