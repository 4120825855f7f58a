"""``--timeout`` and ``--max-memory``: a conversion runs in a process of its own, within its budget."""

import os
import signal
import subprocess
import sys
import time

import pytest
from patience import PATIENCE

pytestmark = pytest.mark.slow


def command(models, *arguments):
    return [
        sys.executable,
        "-m",
        "converter",
        models / "mnist_ss.keras",
        "--to",
        "onnx",
        *map(str, arguments),
    ]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--timeout", 0.7, "took longer than 0.7 s"), ("--max-memory", 100, "took more than 100 MiB of memory")],
)
def test_budget_that_is_exceeded_is_one_clear_error_and_leaves_nothing(
    models, tmp_path, option, value, words
):
    output = tmp_path / "output"
    done = subprocess.run(
        command(models, "--output", output, option, value), check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (6, "")
    assert f"convert: mnist_ss.keras: {words}\nGive it more with {option}." in done.stderr
    assert not output.exists()


@pytest.mark.parametrize(("option", "value"), [("--timeout", 0), ("--timeout", "inf"), ("--max-memory", -1)])
def test_budget_that_is_none_is_a_usage_error(models, option, value):
    done = subprocess.run(command(models, option, value), check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{option} needs a positive number" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="finds the child in /proc")
def test_crash_of_the_process_is_one_clear_error_and_leaves_nothing(models, tmp_path):
    output = tmp_path / "output"
    run = subprocess.Popen(
        command(models, "--output", output), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    child = None
    while run.poll() is None and not (output.exists() and child):
        with open(f"/proc/{run.pid}/task/{run.pid}/children") as children:  # noqa: PTH123  a kernel file
            child = next(iter(children.read().split()), None)
        time.sleep(0.01)
    os.kill(int(child), signal.SIGSEGV)
    out, err = run.communicate(timeout=PATIENCE)
    assert (run.returncode, out) == (3, "")
    assert "mnist_ss.keras" in err
    assert len(err.splitlines()) <= 2
    assert not output.exists()
