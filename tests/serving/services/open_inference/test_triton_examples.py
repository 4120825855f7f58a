"""What Triton's simple_grpc_* examples do, in calls of our own, on a model ``simple`` like theirs.

docs/protocol.md lists the examples and those that cannot work.
"""

import asyncio
import queue
import uuid

import grpc
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from patience import PATIENCE
from tritonclient import grpc as triton
from tritonclient import utils
from tritonclient.grpc import KeepAliveOptions, service_pb2, service_pb2_grpc
from tritonclient.grpc import aio as triton_aio
from tritonclient.utils import InferenceServerException, shared_memory

A = np.arange(16, dtype=np.int32).reshape(1, 16)
B = np.ones((1, 16), np.int32)
RESULTS = {"OUTPUT0": A + B, "OUTPUT1": A - B}


def strings(array):
    return np.array([str(each).encode() for each in array.ravel()], np.object_).reshape(array.shape)


def arithmetic(element):
    """INPUT0, INPUT1 [-1,16] -> OUTPUT0 = sum, OUTPUT1 = difference, of numbers or of their decimal texts."""
    nodes, names = [], ["INPUT0", "INPUT1"]
    if element == TensorProto.STRING:
        nodes += [helper.make_node("Cast", [name], [f"{name}_n"], to=TensorProto.INT32) for name in names]
        names = [f"{name}_n" for name in names]
    for operator, output in (("Add", "OUTPUT0"), ("Sub", "OUTPUT1")):
        if element == TensorProto.STRING:
            nodes.append(helper.make_node(operator, names, [f"{output}_n"]))
            nodes.append(helper.make_node("Cast", [f"{output}_n"], [output], to=TensorProto.STRING))
        else:
            nodes.append(helper.make_node(operator, names, [output]))
    inputs, outputs = (
        [helper.make_tensor_value_info(f"{kind}{at}", element, ["batch", 16]) for at in (0, 1)]
        for kind in ("INPUT", "OUTPUT")
    )
    graph = helper.make_graph(nodes, "arithmetic", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def identity():
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.STRING, ["batch", 16])
        for name in ("INPUT0", "OUTPUT0")
    )
    graph = helper.make_graph([helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])], "identity", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def address(tmp_path_factory, module_server):
    root = tmp_path_factory.mktemp("models")
    for name, content in (
        ("simple", arithmetic(TensorProto.INT32)),
        ("simple_string", arithmetic(TensorProto.STRING)),
        ("simple_int8", arithmetic(TensorProto.INT8)),
        ("simple_identity", identity()),
    ):
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.onnx").write_bytes(content)
        (root / name / "config.pbtxt").write_text(
            f'name: "{name}" platform: "onnxruntime_onnx" max_batch_size: 8'
        )
    options = ("--allow-shared-memory", "--model-control-mode", "explicit", "--load-model", "*")
    return module_server(root, *options).address


@pytest.fixture
def blocking(address):
    with triton.InferenceServerClient(address) as made:
        yield made


class Awaited:
    """The asynchronous client, its calls awaited: most examples are there a second time, for it."""

    def __init__(self, address, runner):
        self._runner = runner
        self._client = runner.run(self._open(address))

    async def _open(self, address):
        return triton_aio.InferenceServerClient(address)

    def __getattr__(self, name):
        return lambda *args, **more: self._runner.run(getattr(self._client, name)(*args, **more))


@pytest.fixture(params=["blocking", "aio"])
def client(request, address):
    if request.param == "blocking":
        yield request.getfixturevalue("blocking")
        return
    with asyncio.Runner() as runner:
        made = Awaited(address, runner)
        yield made
        made.close()


def inputs(datatype="INT32", arrays=(A, B)):
    made = [triton.InferInput(f"INPUT{at}", [1, 16], datatype) for at in (0, 1)]
    for each, array in zip(made, arrays, strict=True):
        each.set_data_from_numpy(array)
    return made


def outputs():
    return [triton.InferRequestedOutput(name) for name in RESULTS]


def check(result):
    for name, expected in RESULTS.items():
        np.testing.assert_array_equal(result.as_numpy(name), expected)


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_infer(client, compression):
    headers = {"test": "1"}
    check(
        client.infer(
            "simple", inputs(), outputs=outputs(), headers=headers, compression_algorithm=compression
        )
    )
    check(client.infer("simple", inputs(), compression_algorithm=compression))
    assert len(client.get_inference_statistics("simple").model_stats) == 1


def test_async_infer(blocking):
    answers = queue.Queue()
    for _ in range(4):
        blocking.async_infer(
            "simple", inputs(), lambda result, error: answers.put((result, error)), outputs=outputs()
        )
    for _ in range(4):
        result, error = answers.get(timeout=PATIENCE)
        assert error is None
        check(result)


def test_health_metadata(client):
    assert client.is_server_live(headers={"test": "1", "dummy": "2"})
    assert client.is_server_ready()
    assert client.is_model_ready("simple")
    assert client.get_server_metadata().extensions
    assert client.get_model_metadata("simple").name == "simple"
    assert client.get_model_config("simple").config.name == "simple"
    with pytest.raises(InferenceServerException, match=r"NOT_FOUND.*no model 'wrong_model_name'") as error:
        client.get_model_metadata("wrong_model_name")
    # Triton's words; its name, which the script asks for as well, this server does not take.
    assert "Request for unknown model" in error.value.message()
    assert client.get_server_metadata().name == "plainserve"


def test_custom_args(address):
    options = [
        ("grpc.max_send_message_length", 1 << 20),
        ("grpc.max_receive_message_length", 1 << 20),
        ("grpc.keepalive_time_ms", 2**31 - 1),
        ("grpc.http2.max_pings_without_data", 2),
    ]
    with triton.InferenceServerClient(address, channel_args=options) as client:
        check(client.infer("simple", inputs(), outputs=outputs()))


def test_keepalive(address):
    options = KeepAliveOptions(keepalive_time_ms=10_000, keepalive_permit_without_calls=True)
    with triton.InferenceServerClient(address, keepalive_options=options) as client:
        check(client.infer("simple", inputs(), outputs=outputs()))


def test_string_infer(client):
    result = client.infer("simple_string", inputs("BYTES", (strings(A), strings(B))), outputs=outputs())
    for name, expected in RESULTS.items():
        assert result.as_numpy(name).astype(np.int32).tolist() == expected.tolist()
    for text in (np.full((1, 16), b"he\0llo", np.object_), np.full((1, 16), b"\x00\x01\x02\x03", np.bytes_)):
        sent = triton.InferInput("INPUT0", [1, 16], "BYTES")
        sent.set_data_from_numpy(text)
        assert client.infer("simple_identity", [sent]).as_numpy("OUTPUT0").tolist() == text.tolist()


@pytest.fixture
def regions(client):
    """Input and output regions of given contents and sizes, registered; gone with the test."""
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    made = []

    def make(name, byte_size, content=None):
        key = f"/plainserve_{uuid.uuid4().hex}"
        made.append(shared_memory.create_shared_memory_region(name, key, byte_size))
        if content is not None:
            shared_memory.set_shared_memory_region(made[-1], [content])
        client.register_system_shared_memory(name, key, byte_size)
        return made[-1]

    yield make
    client.unregister_system_shared_memory()
    for each in made:
        shared_memory.destroy_shared_memory_region(each)


@pytest.mark.parametrize(("model", "datatype"), [("simple", "INT32"), ("simple_string", "BYTES")])
def test_shm(client, regions, model, datatype):
    def stored(array):
        return utils.serialize_byte_tensor(strings(array)) if datatype == "BYTES" else array

    def size(array):
        held = stored(array)
        return utils.serialized_byte_size(held) if datatype == "BYTES" else held.nbytes

    asked, wanted, answers = [], outputs(), {}
    for at, array in enumerate((A, B)):
        regions(f"input{at}_data", size(array), stored(array))
        asked.append(triton.InferInput(f"INPUT{at}", [1, 16], datatype))
        asked[-1].set_shared_memory(f"input{at}_data", size(array))
    for output, (name, expected) in zip(wanted, RESULTS.items(), strict=True):
        answers[name] = regions(f"{name}_data", size(expected))
        output.set_shared_memory(f"{name}_data", size(expected))
    result = client.infer(model, asked, outputs=wanted)
    for name, expected in RESULTS.items():
        output = result.get_output(name)
        kind = utils.triton_to_np_dtype(output.datatype)
        got = shared_memory.get_contents_as_numpy(answers[name], kind, output.shape)
        np.testing.assert_array_equal(got.astype(np.int32), expected)
    assert len(client.get_system_shared_memory_status().regions) == 4


def test_model_control(client):
    assert len(client.get_model_repository_index().models) == 4
    client.load_model("simple")
    assert client.is_model_ready("simple")
    with pytest.raises(InferenceServerException, match="failed to load"):
        client.load_model("simple", config='"parameters": {"config": {{"max_batch_size": "16"}}}')
    client.load_model("simple", config='{"max_batch_size":"16"}')
    assert client.get_model_config("simple").config.max_batch_size == 16
    client.unload_model("simple")
    assert not client.is_model_ready("simple")
    with pytest.raises(InferenceServerException):
        client.load_model("simple", config="{}", files={"file:" + "A" * 256: b"a"})
    assert client.is_server_live()
    with pytest.raises(InferenceServerException, match="failed to load"):
        client.load_model("wrong_model_name")
    client.load_model("simple")
    check(client.infer("simple", inputs()))


@pytest.mark.parametrize(
    ("model", "datatype", "field"),
    [
        ("simple", "INT32", "int_contents"),
        ("simple_int8", "INT8", "int_contents"),
        ("simple_string", "BYTES", "bytes_contents"),
    ],
)
def test_explicit_content(address, model, datatype, field):
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, array in (("INPUT0", A), ("INPUT1", B)):
        tensor = request.inputs.add(name=name, datatype=datatype, shape=[1, 16])
        elements = strings(array) if datatype == "BYTES" else array
        getattr(tensor.contents, field).extend(elements.ravel().tolist())
    with grpc.insecure_channel(address) as channel:
        response = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=PATIENCE)
    for content, expected in zip(response.raw_output_contents, RESULTS.values(), strict=True):
        if datatype == "BYTES":
            got = utils.deserialize_bytes_tensor(content).astype(np.int32)
        else:
            got = np.frombuffer(content, utils.triton_to_np_dtype(datatype))
        assert got.ravel().tolist() == expected.ravel().tolist()


def test_objects_are_used_again(client, regions):
    """``reuse_infer_objects_client``: the same objects with shared memory, without, and with it again."""
    asked, wanted = inputs(), outputs()
    answers = {name: regions(f"{name}_data", A.nbytes) for name in RESULTS}
    for at, array in enumerate((A, B)):
        regions(f"input{at}_data", A.nbytes, array)
    for shared in (True, False, True):
        for at, (each, output) in enumerate(zip(asked, wanted, strict=True)):
            if shared:
                each.set_shared_memory(f"input{at}_data", A.nbytes)
                output.set_shared_memory(f"{output.name()}_data", A.nbytes)
            else:
                each.set_data_from_numpy((A, 2 * B)[at])
                output.unset_shared_memory()
        result = client.infer("simple", asked, outputs=wanted)
        if shared:
            for name, expected in RESULTS.items():
                got = shared_memory.get_contents_as_numpy(answers[name], np.int32, [1, 16])
                np.testing.assert_array_equal(got, expected)
                shared_memory.set_shared_memory_region(answers[name], [np.zeros_like(A)])
        else:
            assert result.as_numpy("OUTPUT1").tolist() == (A - 2 * B).tolist()


def test_sequences_and_gpus_say_why_they_cannot(client):
    with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*takes no sequence_id"):
        client.infer("simple", inputs(), sequence_id=1001, sequence_start=True, sequence_end=True)
    with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*on the CPU"):
        client.register_cuda_shared_memory("output0_data", b"aGFuZGxl", 0, 64)


def test_sequences_in_a_stream_say_so_in_its_answers(blocking):
    answers = queue.Queue()
    blocking.start_stream(lambda result, error: answers.put((result, error)))
    for sequence in (1001, "a name"):
        blocking.async_stream_infer("simple", inputs(), sequence_id=sequence, sequence_start=True)
        result, error = answers.get(timeout=PATIENCE)
        assert result is None
        assert "takes no sequence_id" in error.message()
    blocking.stop_stream()


def test_clients_come_and_go(address):
    """``memory_growth_test``: a client for each request."""
    for _ in range(5):
        with triton.InferenceServerClient(address) as client:
            check(client.infer("simple", inputs(), outputs=outputs()))
