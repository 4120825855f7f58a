"""How many processors a model may use.

Libraries count the host's processors; a container is often given fewer, by affinity or by a cgroup quota, and
threads beyond that only preempt each other. Processes that serve together share what there is.
"""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

MEMBERSHIP = Path("/proc/self/cgroup")

_processes = 1


def share(processes: int) -> None:
    """Say how many processes like this one share the processors; to be called before models are loaded."""
    global _processes  # noqa: PLW0603  a property of the process, like its affinity
    _processes = processes


def available() -> int:
    """This process's share of the processors it may use, by affinity and by cgroup quota; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, quota())) // _processes)


def quota(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float:
    """The processor time the cgroups allow, in processors; infinite if nothing limits it.

    Args:
        root: Where cgroups are mounted.
        membership: The file that names this process's groups, ``hierarchy:controllers:/path`` on each line;
            version 2 is hierarchy 0 and has no controllers there.
    """
    newer, older = Path("/"), Path("/")
    for line in _lines(membership):
        hierarchy, controllers, path = line.split(":", 2)
        if ".." in Path(path).parts:
            continue
        if hierarchy == "0":
            newer = Path(path)
        elif "cpu" in controllers.split(","):
            older = Path(path)
    # The tightest limit may be set on any group above. In a container the path may be one of the host that is
    # not mounted; the root is then the group itself.
    limits = [_quota_v2(_below(root, group)) for group in (newer, *newer.parents)]
    limits += [_quota_v1(_below(root / "cpu", group)) for group in (older, *older.parents)]
    return min(limits)


def _below(root: Path, group: Path) -> Path:
    return root / group.relative_to("/")


def _quota_v2(folder: Path) -> float:
    return min((_ratio(*line.split()) for line in _lines(folder / "cpu.max")), default=math.inf)


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
