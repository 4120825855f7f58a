"""Compressed requests are unpacked with bounds, whatever method they are for, and nobody else waits for it."""

import asyncio
import gzip
import tracemalloc
import zlib

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from patience import PATIENCE, until_async

from protos import open_inference_pb2 as pb
from serving.errors import InvalidInputError, TooLargeError
from serving.flow_control import decompression
from serving.flow_control.decompression import HEAD, Decompressor, compressed

MIB = 1 << 20
SERVICE = "/inference.GRPCInferenceService/"
WAYS = [grpc.Compression.Gzip, grpc.Compression.Deflate]


def nothing(_head):
    pass


def unpacked(data, most=4 * MIB, look=nothing):
    return asyncio.run(Decompressor(most).unpack(data, look))


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("size", [0, 1, HEAD - 1, HEAD, HEAD + 1, 3 * MIB + 5, 4 * MIB])
def test_what_was_packed_comes_back(pack, size):
    data = np.random.default_rng(size).integers(0, 4, size, np.uint8).tobytes()
    packed = pack(data, 1)
    assert compressed(packed)
    assert unpacked(packed) == data


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\x05model", b"x", b"x\0", b"\x1f", b"\x1f\x8c"])
def test_other_messages_are_not_taken_for_packed(data):
    assert not compressed(data)


@pytest.mark.parametrize("most", [10, HEAD, HEAD + 1, MIB])
def test_no_more_is_unpacked_than_may_come(most):
    assert len(unpacked(gzip.compress(bytes(most)), most)) == most
    bomb = gzip.compress(bytes(64 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match=f"larger than max: it unpacks to more than {most} bytes"):
            unpacked(bomb, most)
        assert tracemalloc.get_traced_memory()[1] < 4 * most + MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (gzip.compress(b"a" * 1000, mtime=0)[:-12], "ends before"),
        (gzip.compress(bytes(MIB), mtime=0)[:-12], "ends before"),
        (gzip.compress(b"a", mtime=0)[:5], "ends before"),
        (gzip.compress(b"a" * 1000, mtime=0)[:-8] + bytes(8), "cannot be unpacked"),
        (b"\x1f\x8b" + b"\xff" * 50, "cannot be unpacked"),
        (gzip.compress(b"a", mtime=0) + b"b", "bytes behind"),
        (gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0), "bytes behind"),
    ],
)
def test_what_is_damaged_is_the_clients_fault(data, told):
    with pytest.raises(InvalidInputError, match=told):
        unpacked(data)


def test_of_what_is_refused_at_first_sight_no_more_is_unpacked():
    seen = []

    def look(head):
        seen.append(len(head))
        raise InvalidInputError("no")

    with pytest.raises(InvalidInputError, match="no"):
        unpacked(gzip.compress(bytes(4 * MIB)), look=look)
    assert seen == [HEAD]


def test_for_a_client_that_is_gone_nothing_more_is_unpacked(monkeypatch):
    pieces = []
    piece = decompression._piece

    def counted(*arguments):
        pieces.append(1)
        return piece(*arguments)

    monkeypatch.setattr(decompression, "_piece", counted)

    async def leave():
        unpacker, data = Decompressor(1 << 30), gzip.compress(bytes(64 * MIB))
        calls = [asyncio.create_task(unpacker.unpack(data, nothing)) for _ in range(8)]
        await until_async(lambda: len(pieces) > len(calls))
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        before = len(pieces)
        # Another's turn comes at once.
        assert await unpacker.unpack(gzip.compress(bytes(MIB)), nothing) == bytes(MIB)
        return len(pieces) - before

    assert asyncio.run(leave()) <= 5


def test_one_large_message_is_unpacked_at_a_time(monkeypatch):
    under_way, most = 0, 0
    rest = Decompressor._rest

    async def counted(self, *arguments):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await rest(self, *arguments)
        finally:
            under_way -= 1

    monkeypatch.setattr(Decompressor, "_rest", counted)

    async def crowd():
        unpacker, data = Decompressor(8 * MIB), gzip.compress(bytes(4 * MIB))
        await asyncio.gather(*(unpacker.unpack(data, nothing) for _ in range(8)))

    asyncio.run(crowd())
    assert most == 1


@pytest.fixture
def channel(full_server):
    with grpc.insecure_channel(full_server.address) as opened:
        yield opened


def infer(identity=""):
    made = pb.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(12)], id=identity)
    made.inputs.add(name="x", datatype="FP32", shape=[1, 3])
    return made.SerializeToString()


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_method_takes_packed_requests(channel, way):
    options = {"timeout": PATIENCE, "compression": way}
    for data in (infer(), infer("a" * 5000)):
        answer = pb.ModelInferResponse.FromString(
            channel.unary_unary(SERVICE + "ModelInfer")(data, **options)
        )
        assert np.frombuffer(answer.raw_output_contents[0], np.float32).tolist() == [1, 1, 1]
    stream = channel.stream_stream(SERVICE + "ModelStreamInfer")(iter([infer("a" * 5000)] * 3), **options)
    assert [pb.ModelStreamInferResponse.FromString(each).error_message for each in stream] == [""] * 3
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    asked = health_pb2.HealthCheckRequest(service="a" * 5000).SerializeToString()
    with pytest.raises(grpc.RpcError, match="there is no service or model 'aaa"):
        check(asked, **options)
    reflected = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    question = reflection_pb2.ServerReflectionRequest(list_services="a" * 5000).SerializeToString()
    (told,) = reflected(iter([question]), **options)
    assert reflection_pb2.ServerReflectionResponse.FromString(told).list_services_response.service


def test_a_large_request_for_no_model_is_refused_by_its_name(channel):
    large = pb.ModelInferRequest(model_name="nobody", raw_input_contents=[bytes(8 * MIB)]).SerializeToString()
    for way in (grpc.Compression.NoCompression, *WAYS):
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(SERVICE + "ModelInfer")(large, timeout=PATIENCE, compression=way)
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
        assert "nobody" in error.value.details()


def test_in_a_stream_what_is_refused_is_an_answer(channel):
    large = pb.ModelInferRequest(model_name="nobody", raw_input_contents=[bytes(MIB)]).SerializeToString()
    flood = pb.ModelInferRequest(model_name="affine", inputs=[{}] * 5000).SerializeToString()
    sent = [infer(), large, flood, infer()]
    stream = channel.stream_stream(SERVICE + "ModelStreamInfer")(iter(sent), timeout=PATIENCE)
    told = [pb.ModelStreamInferResponse.FromString(each).error_message for each in stream]
    assert told[0] == told[3] == ""
    assert "nobody" in told[1]
    assert "'inputs' has" in told[2]
