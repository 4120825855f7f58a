"""Terminates a real conversion while libraries work; converter/process/test_termination.py has the fast tests."""

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest


def start(models, folder, *names):
    (folder / "temporary").mkdir(exist_ok=True)
    formats = [word for name in names for word in ("--to", name)]
    return subprocess.Popen(
        [sys.executable, "-m", "converter", models / "digits_cnn.keras", models / "mnist_pss.keras", *formats,
         "--repository", folder / "repository"],
        env={**os.environ, "TMPDIR": str(folder / "temporary")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def left(folder):
    return [*(folder / "temporary").iterdir(), *(folder / "repository").glob(".*")]


def versions(folder):
    return sorted((folder / "repository").glob("[!.]*/[0-9]*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "whom", "seed"),
    [(signal.SIGINT, "group", 0), (signal.SIGTERM, "parent", 1), (signal.SIGKILL, "parent", 2)],
)
def test_conversion_that_is_told_to_end_leaves_nothing_running_and_publishes_nothing_more(
    models, tmp_path, number, whom, seed
):
    run = start(models, tmp_path, "tflite", "saved_model", "onnx")
    while not versions(tmp_path):  # the first of six; the others take some seconds
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)
    time.sleep(random.Random(seed).uniform(0, 2))  # noqa: S311  a moment
    children = psutil.Process(run.pid).children(recursive=True)
    assert children
    os.killpg(run.pid, number) if whom == "group" else os.kill(run.pid, number)
    _, err = run.communicate(timeout=20)
    assert psutil.wait_procs(children, timeout=5)[1] == []
    published = versions(tmp_path)
    assert all(
        {"manifest.json", "golden.npz"} <= {file.name for file in version.iterdir()} for version in published
    )
    assert len(published) < 6
    if number == signal.SIGKILL:
        assert run.returncode == -signal.SIGKILL
        again = start(models, tmp_path, "onnx")
        again.communicate(timeout=300)
        assert again.returncode == 0
    else:
        assert run.returncode == 128 + number
        said = err.removeprefix(f"convert: ended by {number.name}; published until then: ")
        assert set(said.strip().split(", ")) == set(map(str, published))
    assert left(tmp_path) == []
