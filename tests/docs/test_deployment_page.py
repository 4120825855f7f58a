"""The arithmetic of docs/deployment.md, and that its figures are those of docs/performance.md."""

import math
import re

import pytest


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "deployment.md").read_text()


@pytest.fixture(scope="module")
def performance(root):
    return (root / "docs" / "performance.md").read_text()


def cost(page, row):
    """Microseconds, from the table of costs."""
    return int(re.search(rf"(?m)^\| {row}[^|]*\| (\d+) \|$", page)[1])


def test_what_a_request_costs_is_what_was_measured(page, performance):
    section = performance.partition("\n### 8 connections\n")[2]
    at_8 = re.search(r"(?m)^\| plainserve, [^|]+\|[^|]+\|[^|]+\| +(\d+) \|", section)[1]
    assert cost(page, "a request of one row") == int(at_8)
    model, ten_rows = re.search(
        r"takes about (\d+) us.*ten rows takes (\d+) us", performance, re.DOTALL
    ).groups()
    assert cost(page, "of that, the model") == int(model)
    assert cost(page, "a request of ten rows") == int(ten_rows)


def test_what_the_larger_model_costs_is_what_was_measured(page, performance):
    for rate in ("4,845", "6,755"):
        assert f"{rate}/s" in performance
        assert rate in page


@pytest.mark.parametrize(
    ("row", "rate"), [("a request of one row", 100_000), ("a request of ten", 10_000), ("Envoy", 100_000)]
)
def test_busy_cores_and_cores_at_70_percent_follow_from_the_cost(page, row, rate):
    us = cost(page, row)
    busy = rate * us / 1e6
    found = re.search(rf"{rate:,}/s x {us} us\s+= +([\d.]+) cores busy", page) or re.search(
        rf"{rate:,}/s x {us} us = ([\d.]+) cores busy", page
    )
    assert float(found[1]) == round(busy, 1)
    rest = page[found.end() : found.end() + 120]
    at_70 = re.search(r"at 70%, to have room\s+=\s+(\d+) cores|(\d+) at 70%", rest)
    assert int(at_70[1] or at_70[2]) == math.ceil(round(busy / 0.7, 6))


def test_the_time_a_pod_has_is_what_its_manifest_says(page, root):
    manifest = (root / "deploy" / "kubernetes" / "deployment.yaml").read_text()
    grace = re.search(r"terminationGracePeriodSeconds: (\d+)", manifest)[1]
    parts = re.findall(r"(?m)^    (?:preStop|--lame-duck|--drain|rest) +(\d+)", page)
    assert sum(map(int, parts)) == int(grace)
    assert f"terminationGracePeriodSeconds = {grace}" in page


def test_folders_and_pages_that_it_speaks_of_are_there(page, root):
    for path in re.findall(r"`(deploy/[\w./-]+)`", page):
        assert (root / path).exists()
    for path in re.findall(r"\]\((\w+\.md)", page):
        assert (root / "docs" / path).exists()
    anchors = {
        re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"(?m)^#+ (.*)$", page)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", page)) <= anchors
