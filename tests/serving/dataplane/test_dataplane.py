import asyncio
import threading
import time
import weakref

import numpy as np
import pytest
from patience import PATIENCE, until_async

from serving.dataplane.messages import InferRequest, InputTensor
from serving.errors import DeadlineExceededError, InvalidInputError, ModelNotFoundError, ModelNotReadyError
from serving.repository.config import ModelConfig, QueuePolicy, VersionPolicy
from serving.repository.loading.warmup import Latency
from serving.repository.repository import Repository


def request(row, *, deadline=None, model="function"):
    data = np.full((1, 2), row, np.float32).tobytes()
    return InferRequest(model, "", [InputTensor("x", "FP32", (1, 2))], [data], deadline=deadline)


@pytest.mark.parametrize("latency", [Latency(1e-6, 1e-7), None], ids=["inline", "on a thread"])
def test_a_request_is_answered_with_its_outputs_and_version(function_model, latency, with_plane, one_model):
    model = function_model(lambda x: {"y": 2 * x}, latency=latency)
    result = with_plane(one_model(model), lambda plane: plane.infer(request(3)))
    assert (result.model, result.version) == ("function", "1")
    assert [spec.name for spec in result.specs] == ["y"]
    assert result.arrays[0].tolist() == [[6.0, 6.0]]


def test_requests_that_wait_together_run_together(function_model, with_plane, one_model):
    leave, entered = threading.Event(), threading.Event()

    def slow(x):
        entered.set()
        assert leave.wait(PATIENCE)
        return {"y": x}

    model = function_model(slow)

    async def many(plane):
        first = asyncio.create_task(plane.infer(request(0)))
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        others = [asyncio.create_task(plane.infer(request(row))) for row in range(1, 9)]
        await until_async(lambda: plane.pending(model) == 8)
        leave.set()
        return await asyncio.gather(first, *others)

    results = with_plane(one_model(model), many)
    assert [result.arrays[0][0, 0] for result in results] == list(range(9))
    assert model.runtime.batches == [1, 8]


def test_the_event_loop_runs_on_while_a_slow_model_computes(function_model, with_plane, one_model):
    leave = threading.Event()

    def slow(x):
        assert leave.wait(PATIENCE)
        return {"y": x}

    async def watch(plane):
        asked = asyncio.create_task(plane.infer(request(1)))
        await asyncio.sleep(0.02)
        assert not asked.done()
        leave.set()
        return await asked

    assert with_plane(one_model(function_model(slow)), watch).arrays[0][0, 0] == 1


def test_a_cancelled_request_frees_its_place(function_model, with_plane, one_model):
    leave, entered = threading.Event(), threading.Event()

    def slow(x):
        entered.set()
        assert leave.wait(PATIENCE)
        return {"y": x}

    model = function_model(slow, queue=QueuePolicy(size=1))

    async def cancel(plane):
        running = asyncio.create_task(plane.infer(request(1)))
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        given_up = asyncio.create_task(plane.infer(request(2)))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        queued = asyncio.create_task(plane.infer(request(3)))
        await asyncio.sleep(0)
        leave.set()
        return await asyncio.gather(running, queued)

    results = with_plane(one_model(model), cancel)
    assert [result.arrays[0][0, 0] for result in results] == [1, 3]
    assert model.runtime.batches == [1, 1]


def test_a_passed_deadline_is_an_error(function_model, with_plane, one_model):
    model = function_model(lambda x: {"y": x}, latency=Latency(1e-6, 1e-7))
    with pytest.raises(DeadlineExceededError):
        with_plane(one_model(model), lambda plane: plane.infer(request(1, deadline=time.monotonic() - 1)))
    assert model.runtime.batches == []


@pytest.fixture
def models(repository, onnx_models):
    for version in (1, 2):
        repository.onnx("affine", onnx_models.affine(), version)
    repository.onnx("bad", b"junk")
    loaded = Repository(repository.root, ModelConfig(versions=VersionPolicy(latest=None)))
    loaded.load_all()
    return loaded


def test_metadata_names_the_versions_and_shapes_with_the_batch(models, with_plane):
    async def ask(plane):
        return plane.model_metadata("affine", ""), plane.model_metadata("affine", "1")

    latest, first = with_plane(models, ask)
    assert latest.versions == ("1", "2")
    assert first.versions == ("1",)
    assert latest.platform == "onnxruntime_onnx"
    assert latest.inputs[0].shape == (-1, 3)


def test_readiness_is_told_per_model_and_withdrawn_when_stopping(models, with_plane):
    async def ask(plane):
        before = plane.server_ready(), plane.model_ready("affine", ""), plane.model_ready("bad", "")
        # Nobody required the bad one.
        plane.stop_accepting()
        return before, (plane.server_ready(), plane.model_ready("affine", "2"))

    assert with_plane(models, ask) == ((True, True, False), (False, False))


@pytest.mark.parametrize(
    ("name", "version", "error"),
    [
        ("none", "", ModelNotFoundError),
        ("affine", "9", ModelNotFoundError),
        ("affine", "x", InvalidInputError),
        ("bad", "", ModelNotReadyError),
    ],
)
def test_what_is_not_there_is_an_error_everywhere(models, name, version, error, with_plane):
    async def ask(plane):
        with pytest.raises(error):
            plane.model_metadata(name, version)
        with pytest.raises(error):
            await plane.infer(InferRequest(name, version, []))

    with_plane(models, ask)


def test_a_retired_model_is_let_go_of_once_it_is_idle(function_model, with_plane, one_model):
    leave = threading.Event()

    def slow(x):
        assert leave.wait(PATIENCE)
        return {"y": x}

    async def retire(plane):
        model = function_model(slow)
        repository.model = model
        asked = asyncio.create_task(plane.infer(request(1)))
        await asyncio.sleep(0.01)
        repository.model = function_model(lambda x: {"y": x})
        repository.retired([model])
        seen = weakref.ref(model)
        del model
        await asyncio.sleep(0.15)
        assert seen() is not None
        leave.set()
        await asked
        del asked
        await until_async(lambda: seen() is None)

    repository = one_model(function_model(None))
    with_plane(repository, retire)
