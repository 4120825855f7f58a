"""A version in a process of its own: what is found, what it may take, and what it leaves behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from patience import PATIENCE, until

from serving.errors import ModelLoadError
from serving.repository.config import ModelConfig, TensorConfig
from serving.repository.loading.candidate import Candidate
from serving.repository.loading.load import load
from serving.trial_load.limits import MEBIBYTE, Limits
from serving.trial_load.trial_runner import TrialRunner

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
DATA = Path(__file__).parents[1] / "data"

MOST = 300 * MEBIBYTE


@pytest.fixture
def trials():
    made = TrialRunner(Limits(PATIENCE, MOST))
    yield made
    made.close()
    until(lambda: not fork_servers())


@pytest.fixture
def candidate(repository):
    def make(name, config=None):
        folder = repository.root / name / "1"
        return Candidate(name, 1, folder, repository.root, config or ModelConfig(), ())

    return make


def fork_servers(process=None):
    """The processes for trials below a process."""
    children = (process or psutil.Process()).children()
    return [
        each for each in children if each.status() != "zombie" and "fork_server" in " ".join(each.cmdline())
    ]


def children():
    return [child for fork_server in fork_servers() for child in fork_server.children()]


def started(function, *arguments):
    """Run a function on a thread; gives a way to wait for what it raised."""
    raised = []

    def run():
        try:
            raised.append(function(*arguments))
        except ModelLoadError as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def join():
        thread.join(PATIENCE)
        return raised[0]

    return join


def test_models_that_can_be_served_pass(trials, repository, onnx_models, candidate):
    repository.onnx("affine", onnx_models.affine())
    repository.tflite("lite", "affine.tflite")
    for name in ("affine", "lite", "affine"):
        trials(candidate(name))
    assert len(fork_servers()) == 1


def test_what_cannot_be_served_is_told_as_the_server_would(trials, repository, onnx_models, candidate):
    repository.onnx("junk", b"junk")
    repository.onnx("golden", onnx_models.affine())
    golden = {"input:x": np.ones((1, 3), np.float32), "output:y": np.zeros((1, 3), np.float32)}
    np.savez(repository.root / "golden" / "1" / "golden.npz", **golden)
    repository.onnx("config", onnx_models.affine())
    repository.version("empty")
    config = ModelConfig(inputs=(TensorConfig("z", "FP32", (3,)),))
    for each in (candidate("junk"), candidate("golden"), candidate("config", config), candidate("empty")):
        with pytest.raises(ModelLoadError) as here:
            load(each.name, 1, each.folder, each.root, each.config)
        with pytest.raises(ModelLoadError) as there:
            trials(each)
        assert str(there.value) == str(here.value)


def test_what_crashes_does_so_elsewhere(trials, repository, onnx_models, crashing, candidate):
    (repository.version("bad") / "model.tflite").write_bytes(crashing)
    repository.onnx("affine", onnx_models.affine())
    for _ in range(3):
        with pytest.raises(ModelLoadError, match="loading it ended the trial process with signal SIG"):
            trials(candidate("bad"))
        trials(candidate("affine"))


def test_what_never_ends_is_ended_and_holds_up_nobody(repository, onnx_models, candidate):
    repository.onnx("endless", onnx_models.endless())
    repository.onnx("affine", onnx_models.affine())
    seconds = 20
    trials = TrialRunner(Limits(seconds, MOST))
    count = os.cpu_count() + 1
    endless = [started(trials, candidate("endless")) for _ in range(count)]
    until(lambda: len(children()) == count)
    trials(candidate("affine"))
    assert len(children()) >= count
    for join in endless:
        assert (
            str(join())
            == f"its trial did not end within {seconds} s; raise --load-timeout if it needs longer"
        )
    until(lambda: not children())
    trials.close()


def test_what_takes_too_much_memory_is_ended(trials, repository, onnx_models, candidate):
    repository.onnx("hungry", onnx_models.hungry(2000))
    repository.onnx("frugal", onnx_models.hungry(20))
    with pytest.raises(ModelLoadError) as error:
        trials(candidate("hungry"))
    assert str(error.value) == (
        "its trial took more than 300 MiB of memory; raise --load-memory if it needs more"
    )
    trials(candidate("frugal"))


def test_a_trial_has_no_file_of_the_server_and_leaves_no_core(
    trials, repository, onnx_models, candidate, tmp_path
):
    repository.onnx("endless", onnx_models.endless())
    mine = tmp_path / "open"
    with mine.open("w") as opened:
        os.set_inheritable(opened.fileno(), True)  # noqa: FBT003  the library's parameter
        join = started(trials, candidate("endless"))
        (child,) = until(children)
        # Once it runs the model, it has done all else.
        until(lambda: child.cpu_times().user > 1)
        files = [each.readlink() for each in Path(f"/proc/{child.pid}/fd").iterdir()]
    assert mine not in files
    assert sum(str(each).startswith("socket:") for each in files) == 1
    assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert child.nice() > psutil.Process().nice()
    trials.close()
    until(lambda: not child.is_running())
    assert str(join()) == "its trial got no process: the server is stopping; ask again"


def test_if_what_prepares_is_killed_the_next_one_tries(trials, repository, onnx_models, candidate):
    repository.onnx("affine", onnx_models.affine())
    trials(candidate("affine"))
    (first,) = fork_servers()
    first.kill()
    until(lambda: not fork_servers())
    trials(candidate("affine"))
    (second,) = fork_servers()
    assert second.pid != first.pid


OWNER = """
import sys
from pathlib import Path
from serving.repository.loading.candidate import Candidate
from serving.repository.config import ModelConfig
from serving.trial_load.limits import Limits
from serving.trial_load.trial_runner import TrialRunner

root = Path(sys.argv[1])
TrialRunner(Limits(10000, 1 << 30))(Candidate("endless", 1, root / "endless" / "1", root, ModelConfig(), ()))
"""


def test_trials_end_with_the_server_even_if_it_is_killed(repository, onnx_models):
    repository.onnx("endless", onnx_models.endless())
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(repository.root)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        below = psutil.Process(owner.pid)
        (fork_server,) = until(lambda: fork_servers(below))
        (child,) = until(fork_server.children)
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait(PATIENCE)
    until(lambda: not any(each.is_running() and each.status() != "zombie" for each in (fork_server, child)))


@pytest.mark.slow
def test_a_saved_model_is_tried_by_a_process_of_its_own_kind(trials, repository, candidate):
    (repository.root / "both").mkdir()
    (repository.root / "both" / "1").symlink_to(DATA / "both.savedmodel")
    each = candidate("both")
    trials(Candidate("both", 1, each.folder, DATA, each.config, ()))
    begun = time.monotonic()
    trials(Candidate("both", 1, each.folder, DATA, each.config, ()))
    assert time.monotonic() - begun < PATIENCE
    assert len(fork_servers()) == 1
