"""Models whose files are not whole, and models that do not answer."""

import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest
from onnx import TensorProto, helper
from patience import PATIENCE
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[1] / "data"
X = np.array([[1, 2, 3]], np.float32)

LITTLE_MEMORY = 2_620_000_000
"""Bytes of address space that a server may take beside what it began with.

After a failure onnxruntime asks for nine tenths of what failed, and again, until it gets that, however little the
next request needs. What is left must do for the rest of the server; this leaves about 140 MB.
"""


def tensor(name, array, datatype):
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def answers(client):
    answer = client.infer("good", [tensor("x", X, "FP32")], client_timeout=PATIENCE)
    return answer.as_numpy("y").tolist() == [[3, 5, 7]]


@pytest.fixture
def serving(repository, onnx_models, start_server):
    """A server that loads on demand, with the model ``good``, and a client of it."""
    clients = []

    def start(memory=None):
        repository.onnx("good", onnx_models.affine())
        options = ("--model-control-mode", "explicit", "--load-model", "good")
        server = start_server(repository.root, *options)
        if memory is not None:
            # Not a number for all: libraries reserve some for each processor of the machine.
            process = psutil.Process(server.process.pid)
            most = process.memory_info().vms + memory
            process.rlimit(psutil.RLIMIT_AS, (most, most))
        clients.append(triton.InferenceServerClient(server.address))
        return clients[-1]

    yield start
    for each in clients:
        each.close()


WHOLE = {
    "model.onnx": lambda models: models.affine(),
    "model.tflite": lambda _: (DATA / "affine.tflite").read_bytes(),
    "saved_model.pb": lambda _: (DATA / "both.savedmodel" / "saved_model.pb").read_bytes(),
}

DAMAGE = {
    "corrupt": lambda content: bytes(0x55 ^ each for each in content),
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "missing": None,
}


def test_a_damaged_model_of_any_format_is_refused_with_the_reason_and_the_others_answer(
    serving, repository, onnx_models
):
    client = serving()
    for file, whole in WHOLE.items():
        for damage, damaged in DAMAGE.items():
            name = f"{damage}_{file.partition('.')[2]}"
            folder = repository.version(name)
            if damaged is not None:
                (folder / file).write_bytes(damaged(whole(onnx_models)))
            with pytest.raises(
                InferenceServerException, match=f"failed to load '{name}', version 1: "
            ) as error:
                client.load_model(name, client_timeout=PATIENCE)
            assert error.value.status() == "StatusCode.UNAVAILABLE"
            assert str(repository.root) not in str(error.value)
            with pytest.raises(InferenceServerException, match="is not ready: version 1: ") as error:
                client.infer(name, [tensor("x", X, "FP32")], client_timeout=PATIENCE)
            assert error.value.status() == "StatusCode.UNAVAILABLE"
            assert answers(client)
    whole = repository.version("whole") / "model.savedmodel"
    shutil.copytree(DATA / "both.savedmodel", whole)
    client.load_model("whole", client_timeout=PATIENCE)
    text = np.array([b"a"], np.object_)
    answer = client.infer(
        "whole", [tensor("x", X, "FP32"), tensor("text", text, "BYTES")], client_timeout=PATIENCE
    )
    assert answer.as_numpy("y").tolist() == [[3, 5, 7]]


def test_a_repository_that_vanishes_takes_no_model_with_it(serving, repository):
    client = serving()
    assert answers(client)
    shutil.rmtree(repository.root)
    assert answers(client)
    with pytest.raises(InferenceServerException) as error:
        client.load_model("good", client_timeout=PATIENCE)
    assert error.value.status() == "StatusCode.UNAVAILABLE"
    assert str(repository.root) not in str(error.value)
    assert answers(client)


def zeros_model():
    """n: INT64 [1] -> y = n zeros: a few bytes ask for any amount of memory."""
    from_onnx = helper.make_tensor_value_info
    node = helper.make_node("ConstantOfShape", ["n"], ["y"])
    inputs, outputs = [from_onnx("n", TensorProto.INT64, [1])], [from_onnx("y", TensorProto.FLOAT, ["any"])]
    graph = helper.make_graph([node], "zeros", inputs, outputs)
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


@pytest.mark.parametrize("count", [1 << 31, 1 << 50, (1 << 63) - 1])
def test_a_model_that_asks_for_more_memory_than_there_is_fails_alone(serving, repository, count):
    client = serving(memory=LITTLE_MEMORY)
    repository.onnx("zeros", zeros_model())
    client.load_model("zeros", client_timeout=PATIENCE)
    with pytest.raises(InferenceServerException) as error:
        client.infer("zeros", [tensor("n", np.array([count]), "INT64")], client_timeout=PATIENCE)
    assert error.value.status() == "StatusCode.INTERNAL"
    assert "its log says why" in error.value.message()
    assert answers(client)
    few = client.infer("zeros", [tensor("n", np.array([3]), "INT64")], client_timeout=PATIENCE)
    assert few.as_numpy("y").tolist() == [0, 0, 0]


def test_a_model_that_hangs_holds_up_nobody_but_those_who_ask_it(serving, repository, onnx_models):
    client = serving()
    repository.onnx("counter", onnx_models.counter())
    client.load_model("counter", client_timeout=PATIENCE)
    for_ever = tensor("n", np.array([1 << 60]), "INT64")
    for _ in range(2):
        with pytest.raises(InferenceServerException) as error:
            client.infer("counter", [for_ever], client_timeout=0.5)
        assert error.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    assert answers(client)
    assert client.is_server_ready()
