"""A conversion that is told to end, at seeded moments, by each signal, sent to the parent or to the whole group."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from patience import PATIENCE

from converter.process.temporary_folder import remove_abandoned

STAND_IN = Path(__file__).parents[1] / "stand_in.py"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
ENDS = [
    (number, whom, place, seed)
    for seed, (number, whom, place) in enumerate(
        (number, whom, place)
        for number in SIGNALS
        for whom in ("parent", "group")
        for place in ("--output", "--repository")
    )
] + [(number, "parent", "--repository", 16 + seed) for seed, number in enumerate(SIGNALS)]


class Run:
    """A run of the stand-in with folders of its own, in a process group of its own."""

    def __init__(self, models, folder, *arguments, rounds=30, before=()):
        self.places = {option: folder / option.strip("-") for option in ("--output", "--repository")}
        self.temporary = folder / "temporary"
        self.temporary.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*before, sys.executable, STAND_IN, str(rounds), models / "mnist_ss.keras", models / "mnist_pss.keras",
             "--to", "onnx", "--to", "saved_model", *map(str, arguments)],
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def staged(self):
        """What is hidden in the destinations, and all temporary folders."""
        return sorted(
            [
                *self.temporary.iterdir(),
                *(path for place in self.places.values() for path in place.glob(".*")),
            ]
        )

    def published(self):
        """Every published file with its content."""
        return {
            path: path.read_bytes()
            for place in self.places.values()
            for path in place.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(place).parts)
        }

    def until_staged(self):
        """Wait until the child is at work."""
        while not any(self.temporary not in path.parents for path in self.staged()):
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def ended(self):
        """What it printed on stderr; its children must end within 5 s of it."""
        _, err = self.process.communicate(timeout=20)
        return err


def send(run, number, whom):
    children = psutil.Process(run.process.pid).children(recursive=True)
    assert children
    os.kill(run.process.pid, number) if whom == "parent" else os.killpg(run.process.pid, number)
    err = run.ended()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    return err


@pytest.mark.slow
@pytest.mark.parametrize(("number", "whom", "place", "seed"), ENDS, ids=str)
def test_run_that_is_told_to_end_publishes_nothing_after_and_leaves_nothing(
    models, tmp_path, number, whom, place, seed
):
    run = Run(models, tmp_path, place, tmp_path / place.strip("-"))
    run.until_staged()
    time.sleep(random.Random(seed).uniform(0, 1.5))  # noqa: S311  a moment
    err = send(run, number, whom)
    published = run.published()
    if number == signal.SIGKILL:
        assert run.process.returncode == -signal.SIGKILL
    else:
        assert run.process.returncode == 128 + number
        assert run.staged() == []
        said = err.removeprefix(f"convert: ended by {number.name}; published until then: ").removesuffix("\n")
        assert set(said.split(", ")) == (artefacts(run) or {"nothing"})
    for folder in (run.temporary, run.places[place]):  # as the next run does
        remove_abandoned(folder, "plainserve-")
        remove_abandoned(folder, ".plainserve-")
    assert run.staged() == []
    assert run.published() == published
    if place == "--output" and not (number == signal.SIGKILL and whom == "group"):
        assert_manifests_fit(tmp_path / "output")


def artefacts(run):
    """Published artefacts as the command names them: files, and versions in a repository."""
    files = {path for path in run.published() if path.name != "config.pbtxt" and "manifest" not in path.name}
    repository = run.places["--repository"]
    return {str(path.parent if path.is_relative_to(repository) else path) for path in files}


def assert_manifests_fit(output):
    """An artefact and its manifest come from the same publication."""
    for manifest in output.glob("*.manifest.json"):
        for name, entry in json.loads(manifest.read_text())["artefacts"].items():
            assert (output / name).read_text() == str(entry["number"])


@pytest.mark.slow
def test_the_next_run_removes_what_killed_ones_left_and_not_what_living_ones_have(models, tmp_path):
    output = ("--output", tmp_path / "output")
    killed, alive = Run(models, tmp_path, *output), Run(models, tmp_path, *output)
    killed.until_staged()
    while len(alive.staged()) < 4:  # a temporary and a staging folder of each
        time.sleep(0.01)
    send(killed, signal.SIGKILL, "group")
    assert len(alive.staged()) == 4
    again = Run(models, tmp_path, *output, rounds=1)
    assert (again.ended(), again.process.returncode) == ("", 0)
    assert len(alive.staged()) == 2
    assert alive.process.poll() is None
    send(alive, signal.SIGTERM, "parent")
    assert alive.staged() == []


@pytest.mark.slow
def test_a_signal_that_is_ignored_from_the_start_is_ignored(models, tmp_path):
    run = Run(models, tmp_path, "--output", tmp_path / "output", rounds=3, before=["nohup"])
    run.until_staged()
    os.killpg(run.process.pid, signal.SIGHUP)
    run.ended()
    assert run.process.returncode == 0
    assert len(artefacts(run)) == 4


def test_a_signal_during_a_finaliser_ends_the_work_without_a_word(tmp_path):
    """Python swallows what a ``__del__`` raises, and would print a traceback."""
    code = """
import os, signal, sys
from pathlib import Path
from converter.process.isolation import Limits, confined

class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass

def work():
    Last()
    return "went on"

try:
    print(confined(work, Path("m.keras"), Limits()))
except BaseException as error:
    print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        cwd=tmp_path,
    )
    assert "Traceback" not in done.stderr
    assert "went on" not in done.stdout
