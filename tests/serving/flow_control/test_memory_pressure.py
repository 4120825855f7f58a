import asyncio
import math

import grpc
import pytest
from patience import PATIENCE, until_async

from protos import open_inference_pb2 as pb
from serving.errors import QueueFullError
from serving.flow_control import memory_pressure
from serving.flow_control.memory_pressure import COST, SHARE, MemoryPressure
from serving.runtimes import cpus, memory
from serving.server.options import ServerOptions
from serving.server.server import Server
from serving.server.signals import Signals

MIB = 1 << 20


@pytest.fixture
def taken(monkeypatch):
    """What the process is told to take, in a list of one number."""
    told = [100 * MIB]
    monkeypatch.setattr(memory, "taken", lambda: told[0])
    monkeypatch.setattr(memory_pressure, "GLANCE", 0.005)
    return told


def watched(watch, act):
    async def run():
        task = asyncio.create_task(watch.run())
        try:
            await act()
        finally:
            task.cancel()

    asyncio.run(run())


def test_the_larger_a_request_the_earlier_it_is_refused(taken):
    watch = MemoryPressure(lambda: True, 1000 * MIB)
    room = int(SHARE * 1000 * MIB - taken[0]) // COST
    watch.check(room)
    with pytest.raises(QueueFullError, match="holds 100 MiB of the 1000 it may have") as refused:
        watch.check(room + MIB)
    assert refused.value.retry_after > 0


def test_what_is_taken_is_looked_at_again_and_again(taken):
    watch = MemoryPressure(lambda: False, 1000 * MIB)

    def refuses():
        try:
            watch.check(MIB)
        except QueueFullError:
            return True
        return False

    async def act():
        assert not refuses()
        taken[0] = 899 * MIB
        await until_async(refuses)
        taken[0] = 500 * MIB
        await until_async(lambda: not refuses())

    watched(watch, act)


def test_memory_is_given_back_once_when_all_is_quiet(taken, monkeypatch):
    given, quiet = [], [False]
    monkeypatch.setattr(memory_pressure, "give_back", lambda: given.append(taken[0]))
    monkeypatch.setattr(memory_pressure, "REST", 0.0)

    async def act():
        taken[0] = 500 * MIB
        await asyncio.sleep(0.1)
        assert not given
        quiet[0] = True
        await until_async(lambda: given)
        # What stays is in use.
        await asyncio.sleep(0.1)
        assert given == [500 * MIB]
        taken[0] = 600 * MIB
        await until_async(lambda: given[1:])

    watched(MemoryPressure(lambda: quiet[0], math.inf), act)
    assert given == [500 * MIB, 600 * MIB]


def test_a_server_short_of_memory_refuses_large_requests_and_answers_small_ones(
    repository, onnx_models, monkeypatch, frontend
):
    repository.onnx("affine", onnx_models.affine())
    monkeypatch.setattr(memory, "available", lambda: memory.taken() / SHARE + MIB)

    async def ask():
        server = Server(
            ServerOptions(repository.root, port=0, lame_duck_seconds=0.0), transport=frontend.make
        )
        address = await server.start()
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
                large = pb.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(3 * MIB)])
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await call(large.SerializeToString(), timeout=PATIENCE)
                assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "MiB" in error.value.details()
                assert error.value.trailing_metadata().get("grpc-retry-pushback-ms")
                small = pb.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(12)])
                small.inputs.add(name="x", datatype="FP32", shape=[1, 3])
                assert await call(small.SerializeToString(), timeout=PATIENCE)
        finally:
            await server.stop(Signals())

    asyncio.run(ask())


def test_the_tightest_group_of_either_layout_limits(tmp_path):
    job = tmp_path / "service" / "job"
    job.mkdir(parents=True)
    (job / "memory.max").write_text("max\n")
    (job.parent / "memory.max").write_text("2000\n")
    older = tmp_path / "memory" / "box"
    older.mkdir(parents=True)
    (older / "memory.limit_in_bytes").write_text("3000\n")
    membership = tmp_path / "self"
    membership.write_text("0::/service/job\n5:memory:/box\n")
    assert memory.limit(tmp_path, membership) == 2000
    (older / "memory.limit_in_bytes").write_text("1000\n")
    assert memory.limit(tmp_path, membership) == 1000
    assert memory.limit(tmp_path / "none", membership) == math.inf


def test_workers_share_what_there_is(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda *_: 3000)
    assert memory.available() == 3000
    monkeypatch.setattr(cpus, "_processes", 3)
    assert memory.available() == 1000


def test_a_process_knows_what_it_takes():
    before = memory.taken()
    assert before > MIB
    held = b"x" * (64 * MIB)
    assert memory.taken() - before > 60 * MIB
    del held
