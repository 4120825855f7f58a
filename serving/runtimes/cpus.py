"""How many processors a model may use.

Libraries count the host's processors; a container is often given fewer, by affinity or by a cgroup quota, and
threads beyond that only preempt each other. Processes that serve together share what there is.
"""

import math
import os
from pathlib import Path

from serving.runtimes import cgroups

_processes = 1


def share(processes: int) -> None:
    """Say how many processes like this one share the processors; to be called before models are loaded."""
    global _processes  # noqa: PLW0603  a property of the process, like its affinity
    _processes = processes


def processes() -> int:
    """How many processes like this one share the machine."""
    return _processes


def available() -> int:
    """This process's share of the processors it may use, by affinity and by cgroup quota; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, quota())) // _processes)


def quota(root: Path = cgroups.ROOT, membership: Path = cgroups.MEMBERSHIP) -> float:
    """The processor time the cgroups allow, in processors; infinite if nothing limits it.

    Args:
        root: Where cgroups are mounted.
        membership: The file that names this process's groups.
    """
    newer, older = cgroups.folders("cpu", root, membership)
    return min([*map(_quota_v2, newer), *map(_quota_v1, older)])


def _quota_v2(folder: Path) -> float:
    return min((_ratio(*line.split()) for line in cgroups.lines(folder / "cpu.max")), default=math.inf)


def _quota_v1(folder: Path) -> float:
    quota_us, period_us = (
        cgroups.lines(folder / "cpu.cfs_quota_us"),
        cgroups.lines(folder / "cpu.cfs_period_us"),
    )
    if not quota_us or not period_us or quota_us[0].startswith("-"):
        return math.inf
    return _ratio(quota_us[0], period_us[0])


def _ratio(quota_us: str, period_us: str) -> float:
    return math.inf if quota_us == "max" else int(quota_us) / int(period_us)
