"""Models x formats x clients: whoever asks, and whatever file answers, it is what the author's process recorded.

The tolerance is the contract's: |d| <= 1e-5 or |d| <= 1e-4 |recorded|. Between two clients of one server there is
none: the model ran on the same numbers, and the wire keeps every bit.
"""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from patience import PATIENCE
from tritonclient import grpc as triton

from serving.client import Client

pytestmark = pytest.mark.slow

MODELS = {"mnist_pss": ("input_layer", ["dense_1"]), "digits_cnn": ("image", ["digit", "parity"])}
FORMATS = ("onnx", "tflite", "saved_model")
BATCHES = (1, 7, 32)
ATOL, RTOL = 1e-5, 1e-4

CASES = [(model, form, batch) for model, form, batch in product(MODELS, FORMATS, BATCHES)]


@pytest.fixture(scope="module")
def recorded(models):
    return {name: dict(np.load(models / f"{name}.npz")) for name in MODELS}


@pytest.fixture(scope="module")
def address(models, root, tmp_path_factory):
    """A server of every model in every format, converted as a user does."""
    repository = tmp_path_factory.mktemp("repository")
    command = [sys.executable, "-m", "converter", *(models / f"{name}.keras" for name in MODELS)]
    command += [word for form in FORMATS for word in ("--to", form)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    quiet = {"env": environment, "cwd": repository, "text": True}
    subprocess.run(
        [*command, "--repository", repository], check=True, timeout=4 * PATIENCE, capture_output=True, **quiet
    )
    serve = [
        sys.executable,
        "-m",
        "serving",
        "serve",
        repository,
        "--port",
        "0",
        "--metrics-port",
        "off",
        "--lame-duck-seconds",
        "0",
    ]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, **quiet) as server:
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()
            server.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def questions(recorded):
    """By case, the array to send."""
    return {
        (model, form, batch): recorded[model][MODELS[model][0]][100 : 100 + batch]
        for model, form, batch in CASES
    }


def through_our_client(address, questions):
    with Client(address) as client:
        for (model, form, _), array in questions.items():
            answer = client.infer(f"{model}_{form}", {MODELS[model][0]: array})
            yield {name: answer[name] for name in MODELS[model][1]}


def through_tritonclient(address, questions):
    with triton.InferenceServerClient(address) as client:
        for (model, form, _), array in questions.items():
            tensor = triton.InferInput(MODELS[model][0], array.shape, "FP32")
            tensor.set_data_from_numpy(array)
            answer = client.infer(f"{model}_{form}", [tensor])
            yield {name: answer.as_numpy(name) for name in MODELS[model][1]}


def job(address, questions):
    requests = [
        {"model": f"{model}_{form}", "inputs": {MODELS[model][0]: ["FP32", array.tolist()]}}
        for (model, form, _), array in questions.items()
    ]
    return {"address": address, "requests": requests}


@pytest.fixture(scope="module")
def answers(address, questions, ask, clients_python):
    """By client and case, the outputs."""
    tensorflow = ask("tensorflow_calls.py", job(address, questions))["answers"]
    kserve = ask("kserve_calls.py", job(address, questions), clients_python)["answers"]
    found = {
        "ours": through_our_client(address, questions),
        "tritonclient": through_tritonclient(address, questions),
        "tensorflow": (
            {name: np.array(values, np.float32) for name, values in each["outputs"].items()}
            for each in tensorflow
        ),
        "kserve": (
            {name: np.array(values, np.float32) for name, (_, values) in each["outputs"].items()}
            for each in kserve
        ),
    }
    return {client: dict(zip(questions, outputs, strict=True)) for client, outputs in found.items()}


def close(answer, expected):
    error = np.abs(answer - expected)
    return answer.shape == expected.shape and ((error <= ATOL) | (error <= RTOL * np.abs(expected))).all()


@pytest.mark.parametrize("client", ["ours", "tritonclient", "tensorflow", "kserve"])
@pytest.mark.parametrize(("model", "form", "batch"), CASES)
def test_every_client_reads_from_every_format_what_the_author_recorded(
    answers, recorded, client, model, form, batch
):
    found = answers[client][model, form, batch]
    assert sorted(found) == MODELS[model][1]
    for name, array in found.items():
        assert close(array, recorded[model][name][100 : 100 + batch])


@pytest.mark.parametrize(("model", "form", "batch"), CASES)
def test_both_protocols_carry_the_same_bits(answers, model, form, batch):
    ours = answers["ours"][model, form, batch]
    for client in ("tritonclient", "tensorflow", "kserve"):
        for name, array in answers[client][model, form, batch].items():
            np.testing.assert_array_equal(array, ours[name])


def test_the_check_would_see_an_answer_to_another_question(answers, recorded):
    found = answers["ours"]["mnist_pss", "onnx", 32]["dense_1"]
    assert not close(found, recorded["mnist_pss"]["dense_1"][101:133])
