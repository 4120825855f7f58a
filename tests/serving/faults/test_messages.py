"""Messages that lie: about their length, their compression, and what is in them."""

import socket

import grpc
import numpy as np
import pytest
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos import tensorflow_core_pb2 as core
from protos import tensorflow_serving_pb2 as tf

INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
MEBIBYTE = 1 << 20


def request(shape=(1, 3), raw=bytes(12), model="affine", datatype="FP32"):
    made = pb.ModelInferRequest(model_name=model)
    made.inputs.add(name="x", datatype=datatype, shape=shape)
    if raw is not None:
        made.raw_input_contents.append(raw)
    return made


def prediction(sizes=(1, 3), model="affine", **fields):
    made = tf.PredictRequest(model_spec=tf.ModelSpec(name=model))
    tensor = made.inputs["x"]
    tensor.dtype = fields.pop("dtype", core.DT_FLOAT)
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)
    return made


@pytest.fixture
def channel(full_server):
    with grpc.insecure_channel(full_server.address) as opened:
        yield opened


def answers(channel):
    good = request(raw=np.float32([1, 2, 3]).tobytes())
    good.model_version = "2"
    answer = pb.ModelInferResponse.FromString(
        channel.unary_unary(INFER)(good.SerializeToString(), timeout=PATIENCE)
    )
    return np.frombuffer(answer.raw_output_contents[0], np.float32).tolist() == [3, 5, 7]


def refusal(channel, path, message):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary(path)(message.SerializeToString(), timeout=PATIENCE)
    return error.value.code().name, error.value.details()


def text(length):
    return request((1, 2), length.to_bytes(4, "little") + b"a" + bytes(4), "text", "BYTES")


LIES = {
    "a negative size": (INFER, request((-1, 3)), "has shape"),
    "a size of zero": (INFER, request((0, 3), b""), "has shape"),
    "sizes whose product overflows": (INFER, request((1 << 62, 1 << 62)), "has shape"),
    "a product that overflows to the right size": (INFER, request((1 << 32, 3 << 32)), "has shape"),
    "ten thousand dimensions": (INFER, request((1,) * 10_000), "has shape"),
    "more rows than bytes": (INFER, request((1 << 40, 3)), "takes 13194139533312 bytes; got 12"),
    "too few bytes": (INFER, request(raw=bytes(11)), "takes 12 bytes; got 11"),
    "too many bytes": (INFER, request(raw=bytes(13)), "takes 12 bytes; got 13"),
    "no bytes": (INFER, request(raw=None), "came without data"),
    "text longer than the message": (INFER, text((1 << 32) - 1), "claims 4294967295 bytes where 5 are left"),
    "text shorter than the message": (INFER, text(0), "claims 97 bytes where 1 are left"),
    "a hundred thousand tensors": (
        INFER,
        pb.ModelInferRequest(model_name="affine", inputs=[{}] * 100_000),
        "'inputs' has 4097 elements or more",
    ),
    "a negative size in a TensorProto": (PREDICT, prediction((-1, 3)), "must state every size"),
    "an overflow in a TensorProto": (
        PREDICT,
        prediction((1 << 62, 1 << 62), float_val=[1.0]),
        "when written out",
    ),
    "one float for gigabytes": (PREDICT, prediction((1 << 40,), float_val=[1.0]), "when written out"),
    "one text for gigabytes": (
        PREDICT,
        prediction((1 << 40,), "text", dtype=core.DT_STRING, string_val=[b"a" * 100]),
        "when written out",
    ),
    "text in tensor_content": (
        PREDICT,
        prediction((1, 2), "text", dtype=core.DT_STRING, tensor_content=b"\1a"),
        "takes its elements in string_val; got tensor_content",
    ),
    "halves above 16 bits": (
        PREDICT,
        prediction((1, 2), "half", dtype=core.DT_HALF, half_val=[1 << 20, 1]),
        "out of range for FP16",
    ),
    "tensor_content too short": (PREDICT, prediction(tensor_content=bytes(11)), "takes 12 bytes; got 11"),
    "a type that does not exist": (PREDICT, prediction(dtype=4711), "is of type 4711"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_tensor_that_lies_is_refused_with_what_came_and_what_was_expected(channel, lie):
    path, message, expected = LIES[lie]
    code, told = refusal(channel, path, message)
    assert code == "INVALID_ARGUMENT"
    assert expected in told
    assert len(told) <= 1000
    assert answers(channel)


def test_the_version_number_of_a_tensor_proto_means_nothing(channel):
    message = prediction(float_val=[1.0], version_number=-7)
    answer = tf.PredictResponse.FromString(
        channel.unary_unary(PREDICT)(message.SerializeToString(), timeout=PATIENCE)
    )
    assert list(answer.outputs["y"].float_val) == [3, 3, 3]


def test_a_stream_outlives_the_lies_in_it(channel):
    sent = [request(), *(message for path, message, _ in LIES.values() if path == INFER), request()]
    stream = channel.stream_stream(STREAM)((each.SerializeToString() for each in sent), timeout=PATIENCE)
    told = [pb.ModelStreamInferResponse.FromString(each).error_message for each in stream]
    assert [not each for each in told] == [True, *[False] * (len(sent) - 2), True]


@pytest.mark.parametrize(
    ("prefix", "status"),
    [
        ({"claimed": 1000}, b""),  # the message ends before it is whole
        ({"claimed": 2}, b""),  # another begins within it, and does not end
        ({"claimed": 1 << 27}, b"larger than max"),
        ({"claimed": (1 << 32) - 1}, b""),
        ({"compressed": 1}, b""),  # compressed, it says, and not how
        ({"compressed": 7}, b""),
    ],
)
def test_a_prefix_that_lies_costs_its_call_and_no_other(full_server, channel, http2, connect, prefix, status):
    connection = connect(full_server.address)
    lying = http2.call(1, INFER, http2.message(request().SerializeToString(), **prefix))
    good = http2.call(3, INFER, http2.message(request().SerializeToString()))
    frames = [http2.Frame(http2.SETTINGS), *lying, *good]
    connection.sendall(http2.PREFACE + b"".join(each.encoded() for each in frames))
    right, data = np.float32([1, 1, 1]).tobytes(), b""
    while right not in data or status not in http2.readable(data):
        more = connection.recv(65536)
        assert more, data
        data += more
    assert answers(channel)


def test_frames_that_end_in_the_middle_cost_their_connection_and_no_other(
    full_server, channel, http2, connect
):
    frames = [
        http2.Frame(http2.SETTINGS),
        *http2.call(1, INFER, http2.message(request().SerializeToString())),
    ]
    whole = http2.PREFACE + b"".join(each.encoded() for each in frames)
    for at in range(0, len(whole), 7):
        connection = connect(full_server.address)
        connection.sendall(whole[:at])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert answers(channel)


def test_the_limit_of_a_message_holds_after_it_is_unpacked(repository, onnx_models, start_server):
    repository.onnx("affine", onnx_models.affine(), 2)
    server = start_server(repository.root, "--max-message-size", "1")
    with grpc.insecure_channel(server.address, options=[("grpc.max_send_message_length", -1)]) as channel:
        bomb = request(raw=bytes(150 * MEBIBYTE)).SerializeToString()
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(INFER)(bomb, timeout=PATIENCE, compression=grpc.Compression.Gzip)
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger than max" in error.value.details()
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:  # noqa: PTH123  one line of it
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        assert peak < 200 * 1024  # KiB: never unpacked whole
        assert answers(channel)
