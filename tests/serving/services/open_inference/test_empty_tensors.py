"""Tensors without elements, over the wire: answered where the model takes them, whichever way they come."""

import asyncio

import grpc
import numpy as np
import pytest
from onnx import TensorProto, helper
from patience import PATIENCE
from tritonclient import grpc as triton
from tritonclient.grpc import aio as triton_aio
from tritonclient.utils import InferenceServerException, shared_memory

from protos import open_inference_pb2 as pb
from protos import tensorflow_core_pb2 as core
from protos import tensorflow_serving_pb2 as tf
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from protos.tensorflow_serving_pb2_grpc import PredictionServiceStub

FLOAT, TEXT = TensorProto.FLOAT, TensorProto.STRING


def model(save, operator, names, shape, element=FLOAT, **attributes):
    """Inputs of the names and of one shape -> y, of as many dimensions."""
    tensor = helper.make_tensor_value_info
    inputs = [tensor(name, element, [f"{name}{at}" for at in range(shape)]) for name in names]
    y = tensor("y", element, [f"y{at}" for at in range(shape)])
    return save([helper.make_node(operator, names, ["y"], **attributes)], inputs, [y])


@pytest.fixture(scope="module")
def address(tmp_path_factory, module_server, onnx_models):
    root = tmp_path_factory.mktemp("models")
    for name, content, config in (
        ("identity", model(onnx_models.save, "Identity", ["x"], 2), ""),
        ("text", model(onnx_models.save, "Identity", ["x"], 2, TEXT), ""),
        ("joined", model(onnx_models.save, "Concat", ["a", "b"], 1, axis=0), "max_batch_size: 0"),
        (
            "fatal",
            model(onnx_models.save, "Einsum", ["a", "b"], 2, equation="ij,kj->ik"),
            "max_batch_size: 0",
        ),
        ("slow", model(onnx_models.save, "Identity", ["x"], 2), BATCHED),
    ):
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.onnx").write_bytes(content)
        (root / name / "config.pbtxt").write_text(config)
    return module_server(root, "--allow-shared-memory").address


BATCHED = "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 50000 }"


@pytest.fixture
def client(address):
    with triton.InferenceServerClient(address) as made:
        yield made


def tensors(**arrays):
    made = []
    for name, array in arrays.items():
        datatype = "BYTES" if array.dtype == np.object_ else "FP32"
        made.append(triton.InferInput(name, list(array.shape), datatype))
        made[-1].set_data_from_numpy(array)
    return made


def empty(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(("name", "dtype"), [("identity", np.float32), ("text", np.object_)])
def test_a_row_may_hold_nothing(client, name, dtype):
    for rows in (1, 1, 1, 3):  # the same message again is answered by what is remembered of it
        answer = client.infer(name, tensors(x=empty(rows, 0, dtype=dtype)), client_timeout=PATIENCE)
        assert answer.as_numpy("y").shape == (rows, 0)


def test_nothing_joined_with_something_is_something(client):
    ones = np.ones(2, np.float32)
    for a, b, joined in ((ones, empty(0), [1, 1]), (empty(0), ones, [1, 1]), (empty(0), empty(0), [])):
        answer = client.infer("joined", tensors(a=a, b=b), client_timeout=PATIENCE)
        assert answer.as_numpy("y").tolist() == joined


def test_no_rows_are_refused(client):
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*rows from 1.*got \[0,3\]"):
        client.infer("identity", tensors(x=empty(0, 3)), client_timeout=PATIENCE)


def test_a_model_that_an_empty_tensor_would_end_is_not_asked(client):
    ones = np.ones((2, 3), np.float32)
    for a, b in ((empty(2, 0), empty(2, 0)), (ones, empty(0, 3))):
        with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*any size from 1"):
            client.infer("fatal", tensors(a=a, b=b), client_timeout=PATIENCE)
    assert client.infer("fatal", tensors(a=ones, b=ones)).as_numpy("y").tolist() == [[3, 3], [3, 3]]


def test_typed_and_without_contents(address):
    request = pb.ModelInferRequest(model_name="joined")
    for name, values in (("a", []), ("b", [1, 2])):
        tensor = request.inputs.add(name=name, datatype="FP32", shape=[len(values)])
        tensor.contents.fp32_contents.extend(values)
    with grpc.insecure_channel(address) as channel:
        answer = GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=PATIENCE)
    assert np.frombuffer(answer.raw_output_contents[0], np.float32).tolist() == [1, 2]


def test_in_shared_memory(client):
    handle = shared_memory.create_shared_memory_region("nothing", "/plainserve_empty_tensors", 8)
    try:
        client.register_system_shared_memory("nothing", "/plainserve_empty_tensors", 8)
        asked = triton.InferInput("x", [1, 0], "FP32")
        asked.set_shared_memory("nothing", 0)
        wanted = triton.InferRequestedOutput("y")
        wanted.set_shared_memory("nothing", 8)
        answer = client.infer("identity", [asked], outputs=[wanted], client_timeout=PATIENCE)
        assert list(answer.get_output("y").shape) == [1, 0]
    finally:
        client.unregister_system_shared_memory("nothing")
        shared_memory.destroy_shared_memory_region(handle)


@pytest.mark.parametrize(("name", "kind"), [("identity", core.DT_FLOAT), ("text", core.DT_STRING)])
def test_as_tensorflow_serving_is_asked(address, name, kind):
    request = tf.PredictRequest()
    request.model_spec.name = name
    tensor = request.inputs["x"]
    tensor.dtype = kind
    for size in (2, 0):
        tensor.tensor_shape.dim.add(size=size)
    with grpc.insecure_channel(address) as channel:
        y = PredictionServiceStub(channel).Predict(request, timeout=PATIENCE).outputs["y"]
    assert [each.size for each in y.tensor_shape.dim] == [2, 0]


def test_nothing_beside_something_in_one_batch_changes_no_answer(address):
    async def ask(client, width, number):
        x = np.full((1, width), number, np.float32)
        return (await client.infer("slow", tensors(x=x), client_timeout=PATIENCE)).as_numpy("y")

    async def use():
        async with triton_aio.InferenceServerClient(address) as client:
            return await asyncio.gather(*(ask(client, at % 3, at) for at in range(12)))

    for at, y in enumerate(asyncio.run(use())):
        assert y.tolist() == [[at] * (at % 3)]
