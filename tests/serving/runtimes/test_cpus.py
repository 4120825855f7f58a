import math
import os
import subprocess
import sys

import pytest
from patience import PATIENCE

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


@pytest.mark.parametrize(
    ("processes", "processors", "expected"), [(1, 8, 8), (2, 8, 4), (3, 8, 2), (16, 8, 1), (2, 1, 1)]
)
def test_processes_share_the_processors_and_each_has_one(monkeypatch, processes, processors, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    monkeypatch.setattr(cpus, "quota", lambda: math.inf)
    monkeypatch.setattr(cpus, "_processes", 1)
    cpus.share(processes)
    assert cpus.available() == expected


def test_a_real_affinity_is_seen():
    code = "from serving.runtimes import cpus; print(cpus.available())"
    first = str(min(os.sched_getaffinity(0)))
    shown = subprocess.run(
        ["taskset", "--cpu-list", first, sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert shown.stdout == "1\n"


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


def test_a_group_of_the_older_layout_is_found_by_its_controller(tmp_path):
    job = tmp_path / "cpu" / "service" / "job"
    job.mkdir(parents=True)
    (job / "cpu.cfs_quota_us").write_text("-1\n")
    (job / "cpu.cfs_period_us").write_text("100000\n")
    (job.parent / "cpu.cfs_quota_us").write_text("300000\n")
    (job.parent / "cpu.cfs_period_us").write_text("100000\n")
    membership = tmp_path / "self"
    membership.write_text("7:cpuset:/other\n4:cpu,cpuacct:/service/job\n1:name=systemd:/init\n0::/\n")
    assert cpus.quota(tmp_path, membership) == 3.0


@pytest.mark.parametrize("path", ["/../../host/only", "/docker/of-the-host"])
def test_a_group_of_the_host_that_a_container_does_not_see_leaves_the_root(tmp_path, path):
    (tmp_path / "cpu.max").write_text("200000 100000\n")
    membership = tmp_path / "self"
    membership.write_text(f"0::{path}\n")
    assert cpus.quota(tmp_path, membership) == 2.0


def test_without_cgroups_nothing_limits(tmp_path):
    assert cpus.quota(tmp_path, tmp_path / "none") == math.inf
