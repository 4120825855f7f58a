import json
import re
import time

import grpc
import numpy as np
import pytest
from patience import PATIENCE

from serving.client import AsyncClient
from serving.commands.load_generator import Report, drive, percentiles


@pytest.fixture
def row(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[1, 2, 3]")
    return path


def test_a_benchmark_counts_answers_and_tells_percentiles(run, row, capsys):
    command = ("predict", "rows", "--input", row, "--benchmark", "0.3", "--concurrency", "4", "--json")
    begun = time.monotonic()
    assert run(*command) == 0
    longest = 1000 * (time.monotonic() - begun)
    report = json.loads(capsys.readouterr().out)
    assert report["concurrency"] == 4
    assert report["failed"] == {}
    assert report["answered"] >= 4
    assert 0 < report["requests_per_second"] <= report["answered"] / 0.3
    times = report["milliseconds"]
    assert 0 < times["p50"] <= times["p90"] <= times["p99"] <= times["max"] < longest


def test_a_benchmark_prints_plain_lines(run, row, capsys):
    assert run("predict", "rows", "--input", row, "--benchmark", "0.1") == 0
    names = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["answered", "requests/s", "p50", "p90", "p99", "max"]


def test_failures_are_counted_by_code_and_not_among_the_answers(address):
    options = {"version": "", "outputs": ["no"], "seconds": 0.1, "concurrency": 2}
    report = drive(
        lambda: AsyncClient(address, timeout=PATIENCE), "rows", {"x": np.ones((1, 3), np.float32)}, **options
    )
    assert report.answered == report.requests_per_second == 0
    assert list(report.failed) == [grpc.StatusCode.INVALID_ARGUMENT.name]
    assert report.failed["INVALID_ARGUMENT"] >= 2
    assert f"failed INVALID_ARGUMENT\t{report.failed['INVALID_ARGUMENT']}" in str(report)


def test_a_benchmark_of_what_is_refused_does_not_start(run, row, capsys):
    assert run("predict", "nothing", "--input", row, "--benchmark", "60") == 1
    assert "NOT_FOUND" in capsys.readouterr().err


def test_percentiles_are_of_the_sorted_latencies_in_milliseconds():
    seconds = (np.random.default_rng(0).permutation(np.arange(1, 102)) / 1000).tolist()
    assert percentiles(seconds) == pytest.approx({"p50": 51, "p90": 91, "p99": 100, "max": 101})
    assert percentiles([]) == {}
    assert str(Report(1, 0, {}, 0.0, {})) == "answered\t0\nrequests/s\t0"


@pytest.mark.parametrize(
    "option",
    [
        ("--benchmark", "0"),
        ("--benchmark", "-1"),
        ("--benchmark", "nan"),
        ("--benchmark", "inf"),
        ("--concurrency", "0"),
    ],
)
def test_nothing_or_less_is_a_usage_error(run, row, option, capsys):
    with pytest.raises(SystemExit) as caught:
        run("predict", "rows", "--input", row, *option)
    assert caught.value.code == 2
    assert re.search("is not (above zero|between 1 and)", capsys.readouterr().err)
