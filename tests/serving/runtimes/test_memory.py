"""How much memory there is, and how much a process has."""

import os

import pytest

from serving.runtimes import memory
from serving.trial_load.limits import SHARE, Limits

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def groups(tmp_path):
    root = tmp_path / "cgroup"
    (root / "a" / "b").mkdir(parents=True)
    (root / "memory" / "old").mkdir(parents=True)
    membership = tmp_path / "membership"
    membership.write_text("0::/a/b\n4:memory:/old\n3:cpu,cpuacct:/../../x\n")
    return root, membership


def test_without_limits_it_is_the_machines(groups, tmp_path):
    root, membership = groups
    (root / "a" / "memory.max").write_text("max\n")
    assert memory.total(root, membership) == MACHINE
    assert memory.total(tmp_path / "none", tmp_path / "none") == MACHINE


@pytest.mark.parametrize(
    "file", ["memory.max", "a/memory.max", "a/b/memory.max", "memory/old/memory.limit_in_bytes"]
)
def test_the_tightest_limit_counts(groups, file):
    root, membership = groups
    (root / "a" / "memory.max").write_text("900000000\n")
    (root / file).write_text("70000000\n")
    assert memory.total(root, membership) == 70_000_000


def test_what_nobody_stated_follows_from_it():
    assert Limits().most_memory == int(memory.total() * SHARE)
    assert Limits(memory=5).most_memory == 5


def test_a_process_has_memory_and_one_that_is_gone_has_none():
    assert memory.resident(os.getpid()) > 1 << 20
    assert memory.resident(1 << 30) == 0
