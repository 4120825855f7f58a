"""A connection that says nothing holds nothing."""

import asyncio
from dataclasses import replace

import grpc
import pytest
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.server.options import ServerOptions
from serving.server.server import Server
from serving.server.signals import Signals

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What every HTTP/2 client says first, with empty settings."""


async def while_serving(root, use, frontend, **limits):
    def make(ours, tls, **options):
        return frontend.make(replace(ours, **limits), tls, **options)

    server = Server(ServerOptions(root, port=0, lame_duck_seconds=0.0), transport=make)
    address = await server.start()
    try:
        return await asyncio.wait_for(use(address), PATIENCE)
    finally:
        assert await server.stop(Signals())


@pytest.mark.parametrize("said", [b"", PREFACE[:10], b"GET / HTTP/1.1\r\n"])
def test_a_connection_that_does_not_begin_is_closed(repository, onnx_models, frontend, said):
    repository.onnx("affine", onnx_models.affine())

    async def wait(address):
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(said)
        await reader.read()
        writer.close()

    asyncio.run(while_serving(repository.root, wait, frontend, handshake_seconds=0.3))


def test_a_connection_without_a_call_is_closed_and_the_client_does_not_notice(
    repository, onnx_models, frontend
):
    repository.onnx("affine", onnx_models.affine())

    async def wait(address):
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE)
        async with grpc.aio.insecure_channel(address) as channel:
            stub = GRPCInferenceServiceStub(channel)
            assert (await stub.ServerLive(pb.ServerLiveRequest())).live
            await reader.read()
            writer.close()
            for _ in range(3):
                await asyncio.sleep(0.2)
                assert (await stub.ServerLive(pb.ServerLiveRequest())).live

    asyncio.run(while_serving(repository.root, wait, frontend, idle_seconds=0.3))


def test_hundreds_of_calls_at_once_on_one_connection_are_answered(repository, onnx_models, frontend):
    repository.onnx("affine", onnx_models.affine())

    async def ask(address):
        async with grpc.aio.insecure_channel(address) as channel:
            stub = GRPCInferenceServiceStub(channel)
            answers = await asyncio.gather(*(stub.ServerLive(pb.ServerLiveRequest()) for _ in range(900)))
            return all(answer.live for answer in answers)

    assert asyncio.run(while_serving(repository.root, ask, frontend))
