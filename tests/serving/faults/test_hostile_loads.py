"""Files that hang, crash or take all memory when they are loaded, beside a model that is served."""

import signal
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from patience import PATIENCE, until
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.slow

X = np.array([[1, 2, 3]], np.float32)

HOSTILE = ("endless", "crashes", "hungry")

STOP = 30
"""Seconds: far more than the 3 that these servers take at most, and far less than what a load that hangs takes."""

TIMES = ("--drain-seconds", "2", "--load-timeout", "100000", "--load-memory", "400")

WORKERS = (("--workers", "1"), ("--workers", "2"))


class Clients:
    """One that asks the model ``good`` again and again, and one that does all else."""

    def __init__(self, address):
        self.client = triton.InferenceServerClient(address)
        self._asking = triton.InferenceServerClient(address)
        self.right, self.wrong, self._over = 0, [], False
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def infer(self, model, client=None):
        given = triton.InferInput("x", X.shape, "FP32")
        given.set_data_from_numpy(X)
        answer = (client or self.client).infer(model, [given], client_timeout=PATIENCE)
        return answer.as_numpy("y").tolist()

    def answers(self, model):
        try:
            return self.infer(model) == [[3, 5, 7]]
        except InferenceServerException:
            return False

    def states(self):
        models = self.client.get_model_repository_index(client_timeout=PATIENCE).models
        return {each.name: (each.state, each.reason) for each in models}

    def _ask(self):
        while not self._over:
            try:
                answer = self.infer("good", self._asking)
                if answer == [[3, 5, 7]]:
                    self.right += 1
                else:
                    self.wrong.append(f"answered {answer}")
            except InferenceServerException as error:
                self.wrong.append(str(error))
            time.sleep(0.02)

    def close(self):
        self._over = True
        self._thread.join(PATIENCE)
        self._asking.close()
        self.client.close()


@pytest.fixture
def publish(repository, onnx_models, crashing, tmp_path):
    """Publish a model whole."""
    made = {
        "good": ("model.onnx", onnx_models.affine()),
        "second": ("model.onnx", onnx_models.affine()),
        "endless": ("model.onnx", onnx_models.endless()),
        "crashes": ("model.tflite", crashing),
        "hungry": ("model.onnx", onnx_models.hungry(4000)),
    }

    def put(*names):
        for name in names:
            file, content = made[name]
            version = tmp_path / name / "1"
            version.mkdir(parents=True)
            (version / file).write_bytes(content)
            version.parent.rename(repository.root / name)

    return put


@pytest.fixture
def clients():
    made = []

    def make(server):
        made.append(Clients(server.address))
        return made[-1]

    yield make
    for each in made:
        each.close()


def family(server):
    top = psutil.Process(server.process.pid)
    return [top, *top.children(recursive=True)]


def check(server, clients):
    """The model that was served answered rightly throughout; the server ends in time, and all of it."""
    clients.close()
    assert clients.right > 0
    assert clients.wrong == []
    processes = family(server)
    server.terminate(signal.SIGTERM)
    assert server.process.wait(STOP) == 0
    until(lambda: not any(each.is_running() and each.status() != "zombie" for each in processes))


def refused(states):
    """What is told of a file that crashes and of one that takes all memory, when it is known."""
    told = {name: states.get(name, ("", "")) for name in ("crashes", "hungry")}
    return told if all(state == "UNAVAILABLE" for state, _ in told.values()) else None


def check_reasons(told):
    assert "ended the trial process with signal SIG" in told["crashes"][1]
    assert "took more than 400 MiB of memory; raise --load-memory" in told["hungry"][1]


@pytest.mark.parametrize("workers", WORKERS, ids=" ".join)
def test_what_is_published_later_harms_nobody(repository, publish, start_server, clients, workers):
    publish("good")
    polling = ("--model-control-mode", "poll", "--repository-poll-secs", "0.5")
    server = start_server(repository.root, *TIMES, *polling, *workers)
    asking = clients(server)
    publish(*HOSTILE)
    told = until(lambda: refused(asking.states()))
    check_reasons(told)
    until(lambda: asking.states().get("endless") == ("LOADING", "being loaded"))
    publish("second")
    until(lambda: asking.answers("second"))
    assert asking.client.is_server_ready()
    check(server, asking)


@pytest.mark.parametrize("workers", WORKERS, ids=" ".join)
def test_what_requests_load_harms_nobody(repository, publish, start_server, clients, workers):
    publish("good", "second", *HOSTILE)
    explicit = ("--model-control-mode", "explicit", "--load-model", "good")
    server = start_server(repository.root, *TIMES, *explicit, *workers)
    asking = clients(server)
    with pytest.raises(InferenceServerException):
        asking.client.load_model("endless", client_timeout=1)
    for name in ("crashes", "hungry"):
        with pytest.raises(InferenceServerException, match=f"failed to load '{name}', version 1"):
            asking.client.load_model(name, client_timeout=PATIENCE)
    check_reasons(refused(asking.states()))
    asking.client.load_model("second", client_timeout=PATIENCE)
    assert asking.answers("second")
    asking.client.unload_model("second", client_timeout=PATIENCE)
    assert not asking.answers("second")
    check(server, asking)


SETTLE_SOON = """
import sys
from serving.cli import main
from serving.server import initial_load
initial_load.START_STALL_SECONDS = 1.0
sys.exit(main())
"""


@pytest.mark.alone
def test_what_is_there_at_the_start_harms_nobody(repository, publish, start_server, clients):
    publish("good", *HOSTILE)
    server = start_server(repository.root, *TIMES, code=SETTLE_SOON)
    asking = clients(server)
    check_reasons(until(lambda: refused(asking.states())))
    assert asking.states()["endless"] == ("LOADING", "being loaded")
    assert not asking.client.is_server_ready(), "a model that is there at the start is required"
    check(server, asking)


@pytest.mark.parametrize("workers", WORKERS, ids=" ".join)
def test_a_start_waits_for_what_never_ends_no_longer_than_its_time(
    repository, publish, start_server, clients, workers
):
    publish("good", "endless")
    times = ("--drain-seconds", "2", "--load-timeout", "20")
    server = start_server(repository.root, *times, *workers)
    asking = clients(server)
    why = "its trial did not end within 20 s; raise --load-timeout if it needs longer"
    assert asking.states()["endless"] == ("UNAVAILABLE", why)
    check(server, asking)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", WORKERS, ids=" ".join)
def test_a_signal_during_the_first_load_ends_it_at_once(repository, publish, begin_server, workers, number):
    publish("endless")
    process = begin_server(repository.root, *TIMES, *workers)
    top = psutil.Process(process.pid)

    def hangs():
        below = top.children(recursive=True)
        return (
            below if any(each.cpu_times().user > 0.2 and each.nice() > top.nice() for each in below) else None
        )

    below = until(hangs)
    process.send_signal(number)
    out, err = process.communicate(timeout=STOP)
    until(lambda: not any(each.is_running() and each.status() != "zombie" for each in below))
    assert out == ""
    if number == signal.SIGINT:
        assert (process.returncode, err) == (130, "plainserve: interrupted\n")
    else:
        assert process.returncode == (0 if "2" in workers else -signal.SIGTERM)
        assert err == ""


def test_without_a_trial_no_process_is_there_for_it(repository, publish, start_server):
    publish("good")
    server = start_server(repository.root, "--no-trial-load")
    assert family(server)[1:] == []
    assert Path(f"/proc/{server.process.pid}").exists()
