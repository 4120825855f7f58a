"""What takes long for one request is done away from the event loop, and gives the same answers."""

import asyncio
import threading

import grpc
import numpy as np
import pytest
from onnx import TensorProto
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from serving.dataplane import dataplane
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.decoder import MANY, Decoder
from serving.dataplane.large_message_thread import off_loop
from serving.dataplane.messages import InferRequest, InputTensor
from serving.datatypes import pack_bytes, unpack_bytes

INFER = "/inference.GRPCInferenceService/ModelInfer"


def test_work_is_done_on_one_thread_one_after_the_other():
    at_once, most, threads = 0, 0, set()

    def work(number):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        threads.add(threading.get_ident())
        at_once -= 1
        return number

    async def many():
        return await asyncio.gather(*(off_loop(work, number) for number in range(50)))

    assert asyncio.run(many()) == list(range(50))
    assert most == len(threads) == 1
    assert threading.get_ident() not in threads


def test_work_nobody_waits_for_any_more_is_not_begun():
    busy, done = threading.Event(), []

    async def leave():
        first = asyncio.create_task(off_loop(busy.wait, PATIENCE))
        second = asyncio.create_task(off_loop(done.append, 1))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        busy.set()
        await first
        await off_loop(done.append, 2)

    asyncio.run(leave())
    assert done == [2]


@pytest.mark.parametrize(
    ("tensor", "raw", "quick"),
    [
        (InputTensor("x", "FP32", (1, 2)), [bytes(100 * MANY)], True),
        (InputTensor("x", "FP32", (1, 2), [1.0] * MANY), [], True),
        (InputTensor("x", "FP32", (1, 2), [1.0] * (MANY + 1)), [], False),
        (InputTensor("x", "FP32", (1, 2)), [], True),
    ],
)
def test_raw_numbers_are_quick_and_elements_that_are_many_are_not(function_model, tensor, raw, quick):
    decoder = Decoder(function_model(lambda x: {"y": x}))
    assert decoder.quick(InferRequest("function", "", [tensor], raw)) is quick


class OneModel:
    def __init__(self, model):
        self.model = model

    def get(self, _name, _version=""):
        return self.model


def test_a_version_that_comes_while_a_request_is_decoded_answers_it(function_model, monkeypatch):
    old, new = function_model(lambda x: {"y": x}), function_model(lambda x: {"y": -x})
    repository = OneModel(old)
    monkeypatch.setattr(Decoder, "quick", lambda *_: repository.model is new)

    async def run():
        plane = DataPlane(repository, asyncio.get_running_loop())

        async def replaced(work, *arguments):
            repository.model = new
            repository.retired([old])
            await asyncio.sleep(0.01)
            return work(*arguments)

        monkeypatch.setattr(dataplane, "off_loop", replaced)
        asked = InferRequest(
            "function", "", [InputTensor("x", "FP32", (1, 2))], [np.float32([1, 2]).tobytes()]
        )
        try:
            return (await plane.infer(asked)).arrays[0].tolist()
        finally:
            await asyncio.to_thread(plane.close, PATIENCE)

    assert asyncio.run(run()) == [[-1, -2]]


def test_large_texts_and_long_lists_are_answered_right(repository, onnx_models, start_server):
    repository.onnx("text", onnx_models.identity(TensorProto.STRING, ["a", "b", "c"]))
    repository.onnx("numbers", onnx_models.identity(TensorProto.INT64, ["a", "b", "c"]))
    for name in ("text", "numbers"):
        repository.config(name, "max_batch_size: 0")
    server = start_server(repository.root)
    texts = np.array([str(number).encode() for number in range(60_000)], np.object_)
    asked = [
        ("text", "BYTES", {"raw": pack_bytes(texts)}),
        ("text", "BYTES", {"bytes_contents": texts.tolist()}),
        ("numbers", "INT64", {"int64_contents": list(range(60_000))}),
    ]
    with grpc.insecure_channel(server.address) as channel:
        for model, datatype, how in asked:
            request = pb.ModelInferRequest(model_name=model)
            tensor = request.inputs.add(name="x", datatype=datatype, shape=[3, 200, 100])
            if "raw" in how:
                request.raw_input_contents.append(how["raw"])
            else:
                tensor.contents.MergeFrom(pb.InferTensorContents(**how))
            answer = channel.unary_unary(INFER)(request.SerializeToString(), timeout=PATIENCE)
            (raw,) = pb.ModelInferResponse.FromString(answer).raw_output_contents
            if model == "text":
                assert unpack_bytes(raw, 60_000).tolist() == texts.tolist()
            else:
                assert np.frombuffer(raw, np.int64).tolist() == list(range(60_000))
