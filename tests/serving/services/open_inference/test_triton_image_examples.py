"""What Triton's image clients do, in calls of our own, on models whose configs are written as Triton's examples are.

``grpc_image_client`` and ``image_client`` lay a picture out as the config's ``format`` says and ask for its classes;
``grpc_client`` asks the same model with nothing but the stubs. docs/protocol.md lists the examples.
"""

import queue

import grpc
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from patience import PATIENCE
from PIL import Image
from tritonclient import grpc as triton
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

CLASSES = 10
WEIGHTS = np.random.default_rng(5).normal(size=(3, CLASSES)).astype(np.float32)
SIZE = 8

CONFIG = """
name: "{name}"
platform: "onnxruntime_onnx"
max_batch_size: {batch}
input [ {{ name: "data_0" data_type: TYPE_FP32 format: FORMAT_{layout} dims: [ {dims} ] {into} }} ]
output [ {{ name: "fc6_1" data_type: TYPE_FP32 dims: [ 10 ] {back} label_filename: "labels.txt" }} ]
"""

MODELS = {
    # name: (layout, max_batch_size, reshape of the input, of the output)
    "densenet_onnx": ("NCHW", 0, "reshape { shape: [ 1, 3, 8, 8 ] }", "reshape { shape: [ 1, 10, 1, 1 ] }"),
    "batched_nchw": ("NCHW", 4, "", "reshape { shape: [ 10, 1, 1 ] }"),
    "batched_nhwc": ("NHWC", 4, "", "reshape { shape: [ 10, 1, 1 ] }"),
}


def network(layout, save):
    """data_0, pictures -> fc6_1 [batch,10,1,1]: the mean of each channel, times the weights."""
    sizes = ["batch", 3, SIZE, SIZE] if layout == "NCHW" else ["batch", SIZE, SIZE, 3]
    weights = onnx.numpy_helper.from_array(WEIGHTS.T.reshape(CLASSES, 3, 1, 1).copy(), "weights")
    turned = "data_0" if layout == "NCHW" else "turned"
    turn = (
        [] if layout == "NCHW" else [helper.make_node("Transpose", ["data_0"], [turned], perm=[0, 3, 1, 2])]
    )
    nodes = [
        *turn,
        helper.make_node("GlobalAveragePool", [turned], ["means"]),
        helper.make_node("Conv", ["means", "weights"], ["fc6_1"]),
    ]
    tensor = helper.make_tensor_value_info
    x, y = tensor("data_0", TensorProto.FLOAT, sizes), tensor("fc6_1", TensorProto.FLOAT, ["batch", 10, 1, 1])
    return save(nodes, [x], [y], [weights])


@pytest.fixture(scope="module")
def address(tmp_path_factory, module_server, onnx_models):
    root = tmp_path_factory.mktemp("models")
    for name, (layout, batch, into, back) in MODELS.items():
        folder = root / name
        (folder / "1").mkdir(parents=True)
        (folder / "1" / "model.onnx").write_bytes(network(layout, onnx_models.save))
        (folder / "labels.txt").write_text("".join(f"class {at}\n" for at in range(CLASSES)))
        dims = f"3, {SIZE}, {SIZE}" if layout == "NCHW" else f"{SIZE}, {SIZE}, 3"
        text = CONFIG.format(name=name, batch=batch, layout=layout, dims=dims, into=into, back=back)
        (folder / "config.pbtxt").write_text(text)
    return module_server(root).address


@pytest.fixture
def client(address):
    with triton.InferenceServerClient(address) as made:
        yield made


class Described:
    """What an image client learns of a model before it sends a picture, with the demands that it makes."""

    def __init__(self, client, name):
        metadata, config = client.get_model_metadata(name), client.get_model_config(name).config
        (taken,), (returned,), (declared,) = metadata.inputs, metadata.outputs, config.input
        self.batched = config.max_batch_size > 0
        self.input, self.output, self.datatype = taken.name, returned.name, taken.datatype
        sizes = taken.shape[1:] if self.batched else taken.shape
        vector = returned.shape[1:] if self.batched else returned.shape
        formats = model_config_pb2.ModelInput
        assert returned.datatype == "FP32"
        assert sum(size > 1 for size in vector) == 1
        assert len(sizes) == 3
        assert declared.format in (formats.FORMAT_NCHW, formats.FORMAT_NHWC)
        self.first = declared.format == formats.FORMAT_NCHW
        channels, height, width = sizes if self.first else (sizes[2], *sizes[:2])
        self.channels, self.height, self.width = channels, height, width

    def laid_out(self, picture):
        scaled = np.asarray(picture.resize((self.width, self.height)), np.float32) / 127.5 - 1
        return np.ascontiguousarray(scaled.transpose(2, 0, 1) if self.first else scaled)


@pytest.fixture(scope="module")
def pictures():
    noise = np.random.default_rng(6).integers(0, 256, (3, 12, 20, 3), np.uint8)
    # Each with a tint of its own, so that they differ after the mean.
    return [
        Image.fromarray(np.clip(each // 2 + [40 * at, 90, 9], 0, 255).astype(np.uint8))
        for at, each in enumerate(noise)
    ]


def expected(described, picture, count):
    """The best classes of a picture, best first, with their values."""
    means = described.laid_out(picture).mean((1, 2) if described.first else (0, 1), dtype=np.float64)
    values = means @ WEIGHTS
    return [(at, values[at]) for at in np.argsort(-values)[:count]]


def check(classes, described, picture):
    """``value:index:label`` of each class."""
    wanted = expected(described, picture, len(classes))
    for text, (at, value) in zip(classes, wanted, strict=True):
        number, index, label = text.decode().split(":")
        assert (int(index), label) == (at, f"class {at}")
        # The value has six decimals; float32 sums of 64 numbers are good to that.
        assert float(number) == pytest.approx(value, abs=1e-5)


def batches(described, pictures):
    """The pictures as requests of two, or one by one, with those that are in each."""
    if not described.batched:
        return [(described.laid_out(each), [each]) for each in pictures]
    pairs = [[pictures[0], pictures[1]], [pictures[2], pictures[0]]]
    return [(np.stack([described.laid_out(each) for each in pair]), pair) for pair in pairs]


def asked(described, array):
    tensor = triton.InferInput(described.input, list(array.shape), described.datatype)
    tensor.set_data_from_numpy(array)
    return [tensor], [triton.InferRequestedOutput(described.output, class_count=3)]


def check_result(result, described, sent):
    classes = result.as_numpy(described.output)
    assert classes.shape == ((len(sent), 3) if described.batched else (3,))
    for row, picture in zip(classes.reshape(len(sent), 3), sent, strict=True):
        check(row, described, picture)


@pytest.mark.parametrize("name", MODELS)
def test_image_client(client, pictures, name):
    described = Described(client, name)
    for array, sent in batches(described, pictures):
        tensors, outputs = asked(described, array)
        check_result(client.infer(name, tensors, outputs=outputs), described, sent)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_image_client_that_does_not_wait(client, pictures, name, streaming):
    described, answers = Described(client, name), queue.Queue()
    requests = batches(described, pictures)

    def heard(result, error):
        answers.put((result, error))

    if streaming:
        client.start_stream(heard)
    for at, (array, _) in enumerate(requests):
        tensors, outputs = asked(described, array)
        if streaming:
            client.async_stream_infer(name, tensors, request_id=str(at), outputs=outputs)
        else:
            client.async_infer(name, tensors, heard, request_id=str(at), outputs=outputs)
    for _ in requests:
        result, error = answers.get(timeout=PATIENCE)
        assert error is None
        check_result(result, described, requests[int(result.get_response().id)][1])
    if streaming:
        client.stop_stream()


def request_of(name, described, array):
    request = service_pb2.ModelInferRequest(model_name=name, raw_input_contents=[array.tobytes()])
    request.inputs.add(name=described.input, datatype=described.datatype, shape=array.shape)
    request.outputs.add(name=described.output).parameters["classification"].int64_param = 3
    return request


@pytest.mark.parametrize("way", ["one by one", "at once", "stream"])
@pytest.mark.parametrize("name", MODELS)
def test_grpc_image_client(client, address, pictures, name, way):
    described = Described(client, name)
    sent = batches(described, pictures)
    requests = [request_of(name, described, array) for array, _ in sent]
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        if way == "stream":
            streamed = list(stub.ModelStreamInfer(iter(requests), timeout=PATIENCE))
            assert not any(each.error_message for each in streamed)
            responses = [each.infer_response for each in streamed]
        elif way == "at once":
            calls = [stub.ModelInfer.future(each, timeout=PATIENCE) for each in requests]
            responses = [each.result() for each in calls]
        else:
            responses = [stub.ModelInfer(each, timeout=PATIENCE) for each in requests]
    for response, (_, inside) in zip(responses, sent, strict=True):
        check_result(triton.InferResult(response), described, inside)


def test_grpc_client(address):
    """``grpc_client``: all it wants to know of ``densenet_onnx``, and an answer to 0x61616161 in each place."""
    name = "densenet_onnx"
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=PATIENCE).live
        assert stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=PATIENCE).ready
        assert stub.ModelReady(service_pb2.ModelReadyRequest(name=name), timeout=PATIENCE).ready
        stub.ServerMetadata(service_pb2.ServerMetadataRequest(), timeout=PATIENCE)
        metadata = stub.ModelMetadata(service_pb2.ModelMetadataRequest(name=name), timeout=PATIENCE)
        config = stub.ModelConfig(service_pb2.ModelConfigRequest(name=name), timeout=PATIENCE).config
        request = service_pb2.ModelInferRequest(model_name=name, id="my request id")
        request.inputs.add(name="data_0", datatype="FP32", shape=[3, SIZE, SIZE])
        request.outputs.add(name="fc6_1")
        request.raw_input_contents.append(b"a" * (3 * SIZE * SIZE * 4))
        response = stub.ModelInfer(request, timeout=PATIENCE)
    assert list(metadata.inputs[0].shape) == [3, SIZE, SIZE]
    assert list(config.input[0].reshape.shape) == [1, 3, SIZE, SIZE]
    assert (response.id, list(response.outputs[0].shape)) == ("my request id", [CLASSES])
    value = np.frombuffer(b"aaaa", np.float32).astype(np.float64)[0]
    got = np.frombuffer(response.raw_output_contents[0], np.float32)
    # Sums of three weights in float32; where they nearly cancel, the rounding of each is larger beside the rest.
    np.testing.assert_allclose(got, value * WEIGHTS.sum(0, dtype=np.float64), rtol=1e-4)
