import math
import os

import pytest

from serving.runtimes import cpus


def test_affinity_limits_the_processors(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    monkeypatch.setattr(cpus, "quota", lambda: math.inf)
    assert cpus.available() == 3


@pytest.mark.parametrize(("quota", "expected"), [(2.0, 2), (1.5, 2), (0.2, 1), (64.0, 8)])
def test_the_quota_limits_them_further_but_leaves_one(monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cpus, "quota", lambda: quota)
    assert cpus.available() == expected


def test_the_tightest_group_above_counts(tmp_path):
    group = tmp_path / "cgroup" / "service" / "job"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("max 100000\n")
    (group.parent / "cpu.max").write_text("150000 100000\n")
    membership = tmp_path / "self"
    membership.write_text("0::/service/job\n")
    assert cpus.quota(tmp_path / "cgroup", membership) == 1.5


def test_the_older_layout_of_cgroups_is_understood(tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("50000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cpus.quota(tmp_path, tmp_path / "none") == 0.5
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert cpus.quota(tmp_path, tmp_path / "none") == math.inf


def test_without_cgroups_nothing_limits(tmp_path):
    assert cpus.quota(tmp_path, tmp_path / "none") == math.inf
