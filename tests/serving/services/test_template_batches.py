"""Batches of requests that match a template, on the dataplane; the general way is the reference."""

import asyncio
import gc
import logging
import time
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos import tensorflow_serving_pb2 as tf
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.shared_memory import SharedMemory
from serving.errors import InvalidInputError, ModelNotFoundError
from serving.flow_control.byte_budget import LARGE
from serving.flow_control.flow_control import FlowControl
from serving.repository.config import Batching
from serving.repository.loading.warmup import Latency
from serving.repository.statistics import TOTALS
from serving.server.method_table import MethodTable
from serving.services.open_inference import inference_service
from serving.services.open_inference.inference_service import InferenceService
from serving.services.tensorflow_serving import prediction_service, tensor_proto
from serving.services.tensorflow_serving.prediction_service import PredictionService
from serving.transport.status_code import Code

INFER = "/inference.GRPCInferenceService/ModelInfer"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
FAST = Latency(1e-6, 1e-8)


class Models:
    """A repository of one model, which can be replaced."""

    def __init__(self, model):
        self.model = model
        self.retired = None

    def get(self, name, _version=""):
        if self.model is None:
            raise ModelNotFoundError(f"there is no model '{name}' here")
        return self.model

    def has_version(self, _name, _version):
        return True


class Service:
    """The methods of both protocols, without a transport."""

    def __init__(self, models, path, one_call, calls_batch):
        self.models, self.path, self._call, self._batch = models, path, one_call, calls_batch
        self.flow = FlowControl(1 << 20)
        self.plane = DataPlane(models, asyncio.get_running_loop())
        parts = {
            inference_service.SERVICE: [
                InferenceService(self.plane, SharedMemory(allowed=False), self.flow.requests)
            ],
            prediction_service.SERVICE: [PredictionService(self.plane, 1 << 20)],
        }
        self.method = MethodTable(parts, self.flow, self.plane, None).methods[path]
        self.templates = []
        self.method.batches.remember = self.templates.append

    @property
    def counts(self):
        return self.flow.counts.of(self.path)

    async def one_by_one(self, messages):
        calls = [self._call(each) for each in messages]
        for call in calls:
            await self.method.handle(call)
        return calls

    async def learn(self, message):
        """Have a template of a message; the answer to it."""
        *_, last = await self.one_by_one([message] * 2)
        assert last.response is not None, last.status
        return self.templates[-1]

    def batch(self, messages, template=None, deadline=None):
        calls = [self._call(each, deadline) for each in messages]
        made = self._batch(template or self.templates[-1], calls)
        self.method.batches.handle(made)
        return made


@pytest.fixture
def serve(one_call, calls_batch):
    """Runs ``use(service)`` with a model."""

    def run(model, use, path=INFER):
        async def using():
            service = Service(Models(model), path, one_call, calls_batch)
            try:
                return await use(service)
            finally:
                assert await asyncio.to_thread(service.plane.close, PATIENCE)

        return asyncio.run(using())

    return run


def infer(fill, *, rows=1, size=2, request_id="", **fields):
    made = pb.ModelInferRequest(model_name="function", id=request_id, **fields)
    made.inputs.add(name="x", datatype="FP32", shape=[rows, size])
    made.raw_input_contents.append(np.arange(fill, fill + rows * size, dtype=np.float32).tobytes())
    return made.SerializeToString()


def predict(fill, *, rows=1, size=2, **_):
    made = tf.PredictRequest(model_spec=tf.ModelSpec(name="function"))
    numbers = np.arange(fill, fill + rows * size, dtype=np.float32).reshape(rows, size)
    tensor_proto.write(numbers, "FP32", made.inputs["x"])
    return made.SerializeToString(deterministic=True)


def double(x):
    return {"y": 2 * x}


WAYS = pytest.mark.parametrize(("path", "message"), [(INFER, infer), (PREDICT, predict)], ids=["OIP", "TFS"])


@WAYS
@pytest.mark.parametrize(
    ("joins", "batches"), [(True, [8]), (False, [2] * 4)], ids=["rows are independent", "each runs alone"]
)
def test_a_batch_is_answered_as_its_requests_one_by_one(serve, function_model, path, message, joins, batches):
    model = function_model(double, latency=FAST, joins=joins)
    messages = [message(10 * fill, rows=2) for fill in range(4)]

    async def use(service):
        await service.learn(message(0, rows=2))
        expected = [call.response for call in await service.one_by_one(messages)]
        model.runtime.batches.clear()
        batch = service.batch(messages)
        assert batch.settled == "answered"
        assert [call.response for call in batch.calls] == expected

    serve(model, use, path)
    assert model.runtime.batches == batches


def test_a_batch_with_more_rows_than_a_run_may_have_is_run_in_parts(serve, function_model):
    model = function_model(double, latency=FAST, max_batch_size=8)
    messages = [infer(fill, rows=3) for fill in range(5)]

    async def use(service):
        await service.learn(messages[0])
        expected = [call.response for call in await service.one_by_one(messages)]
        model.runtime.batches.clear()
        assert [call.response for call in service.batch(messages).calls] == expected

    serve(model, use)
    assert model.runtime.batches == [6, 6, 3]


def test_requests_with_and_without_ids_share_a_batch_and_get_their_ids_back(serve, function_model):
    model = function_model(double, latency=FAST)
    messages = [infer(fill, request_id=each) for fill, each in enumerate(["", "a", "17", "x" * 127])]

    async def use(service):
        await service.learn(infer(0, request_id="first"))
        expected = [call.response for call in await service.one_by_one(messages)]
        batch = service.batch(messages)
        assert [call.response for call in batch.calls] == expected
        assert [pb.ModelInferResponse.FromString(each).id for each in expected] == ["", "a", "17", "x" * 127]
        assert len(service.templates) == 1

    serve(model, use)


def test_a_model_without_a_batch_dimension_runs_each_request(serve, function_model):
    model = function_model(double, latency=FAST, shape=(1, 2), max_batch_size=0)
    messages = [infer(fill) for fill in range(3)]

    async def use(service):
        await service.learn(messages[0])
        expected = [call.response for call in await service.one_by_one(messages)]
        batch = service.batch(messages)
        assert (batch.settled, [call.response for call in batch.calls]) == ("answered", expected)

    serve(model, use)


@WAYS
@pytest.mark.parametrize("joins", [True, False])
def test_counts_are_those_of_requests_that_shared_a_run(serve, function_model, path, message, joins):
    messages = [message(fill, rows=2) for fill in range(3)]

    async def use(service):
        await service.learn(messages[0])
        before, codes = service.models.model.statistics.totals(), dict(service.counts.codes)
        start = time.time_ns()
        service.batch(messages)
        after = service.models.model.statistics.totals()
        assert service.counts.started == 5
        assert service.counts.codes == {"OK": codes["OK"] + 3}
        assert service.counts.seconds > 0
        assert service.flow.in_flight == 0
        grown = {name: after[name][0] - before[name][0] for name in TOTALS}
        assert grown == {"success": 3, "fail": 0, "queue": 3, "input": 3, "infer": 3, "output": 3}
        assert after["rows"] - before["rows"] == 6
        assert after["queue"][1] == 0
        assert after["last"] >= start
        assert after["success"][1] > before["success"][1]
        runs, size = (1, "6") if joins else (3, "2")
        assert after["runs"] - before["runs"] == runs
        ran = after["batches"][size][1][0] - (before["batches"].get(size, [[0, 0]] * 3)[1][0])
        assert ran == runs

    serve(function_model(double, latency=FAST, joins=joins), use, path)


def not_found(service):
    service.models.model = None


def busy(service):
    service.plane._execution.pipeline(service.models.model).dispatcher._executor._running = 1


def logged(_service):
    logging.getLogger("serving.requests").setLevel(logging.INFO)


def slow(service):
    service.plane._execution.pipeline(service.models.model).dispatcher.ran_inline(10**9)


@pytest.fixture
def quiet():
    log = logging.getLogger("serving.requests")
    level = log.level
    yield
    log.setLevel(level)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("change", [not_found, busy, logged, slow])
def test_what_is_unusual_is_split_and_not_counted(serve, function_model, change):
    async def use(service):
        await service.learn(infer(0))
        change(service)
        model = service.models.model
        before = model and model.statistics.totals()
        batch = service.batch([infer(1), infer(2)])
        assert batch.settled == "split"
        assert service.counts.started == 2
        if model:
            assert model.statistics.totals() == before
            service.plane._execution.pipeline(model).dispatcher._executor._running = 0

    serve(function_model(double, latency=FAST), use)


@pytest.mark.parametrize("left", [-1.0, 0.0, 5e-7])
def test_a_batch_with_a_deadline_that_passes_is_split(serve, function_model, left):
    async def use(service):
        await service.learn(infer(0))
        assert service.batch([infer(1)], deadline=time.monotonic() + PATIENCE).settled == "answered"
        assert service.batch([infer(1)], deadline=time.monotonic() + left).settled == "split"

    serve(function_model(double, latency=FAST), use)


@pytest.mark.parametrize(
    "config",
    [
        {"latency": None},
        {"latency": FAST, "batching": Batching(delay=0.01)},
        {"latency": Latency(1e-3, 1e-3)},
    ],
    ids=["unknown latency", "a delay", "slow"],
)
def test_a_model_that_does_not_run_on_the_event_loop_is_left_to_the_queue(serve, function_model, config):
    async def use(service):
        await service.learn(infer(0))
        assert service.batch([infer(1), infer(2)]).settled == "split"

    serve(function_model(double, **config), use)


def test_a_single_request_that_comes_close_to_the_last_one_is_queued_but_a_batch_is_one_already(
    serve, function_model
):
    async def use(service):
        await service.learn(infer(0))
        # As if the last request had just come, however slow the machine is.
        service.plane._execution.pipeline(service.models.model).dispatcher._last = time.monotonic() + PATIENCE
        assert service.batch([infer(1), infer(2)]).settled == "answered"
        service.plane._execution.pipeline(service.models.model).dispatcher._last = time.monotonic() + PATIENCE
        assert service.batch([infer(1)]).settled == "split"

    serve(function_model(double, latency=Latency(180e-6, 1e-6)), use)


def test_requests_for_classes_are_split(serve, function_model):
    made = pb.ModelInferRequest.FromString(infer(0))
    made.outputs.add(name="y").parameters["classification"].int64_param = 1
    data = made.SerializeToString()

    async def use(service):
        expected = (await service.one_by_one([data]))[0].response
        await service.learn(data)
        assert (await service.one_by_one([data]))[0].response == expected
        assert service.batch([data]).settled == "split"

    serve(function_model(double, latency=FAST), use)


def test_a_request_with_a_priority_and_chosen_outputs_is_answered_in_a_batch(serve, function_model):
    made = pb.ModelInferRequest.FromString(infer(0))
    made.outputs.add(name="y")
    made.parameters["priority"].uint64_param = 2
    made.parameters["timeout"].int64_param = 1000
    data = made.SerializeToString()

    async def use(service):
        await service.learn(data)
        expected = (await service.one_by_one([data]))[0].response
        assert [call.response for call in service.batch([data, data]).calls] == [expected] * 2

    serve(function_model(double, latency=FAST), use)


def test_what_a_new_model_does_not_take_is_split(serve, function_model):
    async def use(service):
        await service.learn(infer(0))
        service.models.model = function_model(double, shape=(-1, 3), latency=FAST)
        for _ in range(2):
            assert service.batch([infer(1)]).settled == "split"

    serve(function_model(double, latency=FAST), use)


@pytest.mark.parametrize("joins", [True, False])
@pytest.mark.parametrize("error", [InvalidInputError("too hot"), RuntimeError("broken")])
def test_a_batch_whose_run_fails_is_split_so_that_each_gets_its_own_error(
    serve, function_model, joins, error
):
    def fails_on_fives(x):
        if 5 in x:
            raise error
        return {"y": x}

    model = function_model(fails_on_fives, latency=FAST, joins=joins)
    messages = [infer(0), infer(5)]

    async def use(service):
        await service.learn(messages[0])
        before = model.statistics.totals()
        assert service.batch(messages).settled == "split"
        assert model.statistics.totals() == before
        good, bad = await service.one_by_one(messages)
        assert good.response is not None
        assert bad.status.code is (
            Code.INVALID_ARGUMENT if isinstance(error, InvalidInputError) else Code.INTERNAL
        )

    serve(model, use)


def test_a_model_that_answers_rows_with_another_number_of_rows_runs_each_request_alone(serve, function_model):
    model = function_model(lambda x: {"y": x.sum(0)}, latency=FAST)
    messages = [infer(fill) for fill in range(3)]

    async def use(service):
        await service.learn(messages[0])
        expected = [call.response for call in await service.one_by_one(messages)]
        model.runtime.batches.clear()
        for _ in range(2):
            assert [call.response for call in service.batch(messages).calls] == expected

    serve(model, use)
    # The shared run is tried once.
    assert model.runtime.batches == [3, *[1] * 6]


def test_outputs_whose_shapes_differ_between_requests_are_split(serve, function_model):
    model = function_model(lambda x: {"y": x[x > 1]}, latency=FAST, joins=False)

    async def use(service):
        await service.learn(infer(0))
        assert service.batch([infer(0), infer(5)]).settled == "split"
        assert service.batch([infer(5), infer(5)]).settled == "split"

    serve(model, use)


def test_an_unexpected_error_splits_the_batch_and_is_logged(serve, function_model, caplog):
    async def use(service):
        await service.learn(infer(0))
        service.flow.has_room = lambda *_: 1 / 0
        assert service.batch([infer(1)]).settled == "split"

    serve(function_model(double, latency=FAST), use)
    assert "ZeroDivisionError" in caplog.text


def test_large_messages_go_as_a_batch_while_there_is_room_for_them(serve, function_model):
    size = 25_000
    messages = [infer(fill, size=size) for fill in range(4)]
    assert len(messages[0]) > LARGE
    model = function_model(lambda x: {"y": x[:, :2]}, shape=(-1, size), latency=FAST)

    async def use(service):
        await service.learn(messages[0])
        expected = [call.response for call in await service.one_by_one(messages)]
        batch = service.batch(messages)
        assert (batch.settled, [call.response for call in batch.calls]) == ("answered", expected)
        service.flow.requests.take(4 << 20, "another")
        assert service.batch(messages).settled == "split"
        service.flow.requests.release(4 << 20, "another")
        assert service.batch(messages).settled == "answered"
        service.flow.memory = SimpleNamespace(check=service.flow.memory.__class__(lambda: True, 1.0).check)
        assert service.batch(messages).settled == "split"

    serve(model, use)


def test_large_answers_are_split_because_each_is_counted_until_it_is_read(serve, function_model):
    size = LARGE // 4
    model = function_model(double, shape=(-1, size), latency=FAST)

    async def use(service):
        await service.learn(infer(0, size=size))
        for _ in range(2):
            assert service.batch([infer(0, size=size)]).settled == "split"

    serve(model, use)


def test_a_model_that_is_swapped_answers_the_next_batch_and_the_old_one_is_freed(serve, function_model):
    async def use(service):
        messages = [infer(1), infer(2)]
        # The model that the test was given is held by the frames around it.
        service.models.model = function_model(double, latency=FAST)
        await service.learn(messages[0])
        old = service.models.model
        before = [call.response for call in service.batch(messages).calls]
        service.models.model = function_model(lambda x: {"y": -x}, latency=FAST)
        after = [call.response for call in service.batch(messages).calls]
        values = [
            np.frombuffer(pb.ModelInferResponse.FromString(each).raw_output_contents[0], np.float32)
            for each in (before[1], after[1])
        ]
        assert [each.tolist() for each in values] == [[4.0, 6.0], [-2.0, -3.0]]
        service.models.retired([old])
        gone = weakref.ref(old)
        del old
        async with asyncio.timeout(PATIENCE):
            while gone() is not None:
                await asyncio.sleep(0.02)
                gc.collect()

    serve(function_model(double, latency=FAST), use)


def test_calls_begin_outside_of_a_task(serve, function_model, one_call):
    async def use(service):
        assert service.method.eager
        await service.learn(infer(0))
        calls = [one_call(infer(1)), one_call(infer(2, request_id="é"))]
        ended = asyncio.get_running_loop().create_future()

        def begin():
            for call in calls:
                with pytest.raises(StopIteration):
                    service.method.handle(call).send(None)
            ended.set_result(None)

        asyncio.get_running_loop().call_soon(begin)
        await ended
        assert all(call.response for call in calls)

    serve(function_model(double, latency=FAST), use)


def test_any_byte_but_0_is_true_and_numbers_are_viewed_in_place(serve, function_model):
    seen = []

    def remember(x):
        seen.append(x)
        return {"y": x.astype(np.float32)}

    model = function_model(remember, latency=FAST)

    def message(truths):
        made = pb.ModelInferRequest.FromString(infer(0))
        made.inputs[0].datatype, made.raw_input_contents[0] = "BOOL", bytes(truths)
        return made.SerializeToString()

    async def use(service):
        await service.learn(infer(0))
        seen.clear()
        assert service.batch([infer(1), infer(2)]).settled == "answered"
        assert not seen[0].flags.owndata
        assert seen[0].ctypes.data % 64 == 0
        model.runtime.inputs = (replace(model.runtime.inputs[0], datatype="BOOL"),)
        service.models.model = function_model(remember, latency=FAST)
        service.models.model.runtime.inputs = model.runtime.inputs
        messages = [message([0, 1]), message([2, 255])]
        await service.learn(messages[0])
        expected = [call.response for call in await service.one_by_one(messages)]
        seen.clear()
        assert [call.response for call in service.batch(messages).calls] == expected
        assert seen[0].view(np.uint8).tolist() == [[0, 1], [1, 1]]

    serve(model, use)
