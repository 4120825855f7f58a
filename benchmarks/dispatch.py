"""Measures what a request costs between the transport and the model: one by one, and in batches.

    python -m benchmarks.dispatch [--repeats 15]

There is no transport: calls and batches are made here, and their answers are dropped. The model is a small multilayer
perceptron (784 - 128 - 10) in onnxruntime. Each row of the table is the median of repeated measurements, interleaved,
in microseconds of processor time of the event loop's thread, a request.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import thread_time

import numpy as np

from benchmarks.models import add_model, mlp
from protos import open_inference_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.shared_memory import SharedMemory
from serving.flow_control.flow_control import FlowControl
from serving.repository.loading.warmup import Latency
from serving.repository.model import LoadedModel
from serving.repository.model_lookup import ModelLookup
from serving.repository.repository import Repository
from serving.runtimes.runtime import Array
from serving.scheduler import dispatcher
from serving.server.method_table import MethodTable
from serving.services.open_inference import config_message, inference_service
from serving.services.open_inference.inference_service import InferenceService
from serving.transport.status_code import Status
from serving.transport.transport import Batch, MessageTemplate, Unary, UnaryMethod

PATH = "/inference.GRPCInferenceService/ModelInfer"
SIZES = (784, 128, 10)
COUNTS = (1, 8, 32, 64)
REQUESTS = 1024


class OneCall(Unary):
    """A call whose answer is dropped."""

    peer = "benchmark"

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.deadline = None

    def on_end(self, ended: Callable[[], None]) -> None:
        """Calls here hold nothing."""

    def answer(self, message: bytes) -> None:
        """Drop the answer."""

    def refuse(self, status: Status) -> None:
        """Stop: a measurement of failures means nothing."""
        raise RuntimeError(status.text)


class OneBatch(Batch):
    """A batch whose answers are dropped."""

    deadline = None

    def __init__(self, template: MessageTemplate, count: int) -> None:
        self.template = template
        self._count = count
        size = template.payload_sizes[0]
        buffer = np.zeros(count * size + 64, np.uint8)
        start = -buffer.ctypes.data % 64
        self._payload = buffer[start : start + count * size].data

    def __len__(self) -> int:
        return self._count

    def payload(self, _at: int) -> memoryview:
        """The only payload."""
        return self._payload

    def answer(self, prefixes: Sequence[bytes], rows: Sequence[object], optional_at: int = 0) -> None:
        """Drop the answers."""

    def refuse(self, status: Status) -> None:
        """Stop: a measurement of failures means nothing."""
        raise RuntimeError(status.text)

    def split(self) -> None:
        """Stop likewise."""
        raise RuntimeError("the batch was split")


class OneModel(ModelLookup):
    """A model that always runs on the event loop, however slow the machine was when it was loaded."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        self._model = replace(model, latency=Latency(20e-6, 1e-6))

    def get(self, _name: str, _version: str = "") -> LoadedModel:
        """The model."""
        return self._model


def message(rows: int = 1, **fields: str) -> bytes:
    """A request."""
    made = pb.ModelInferRequest(model_name="perceptron", **fields)
    made.inputs.add(name="x", datatype="FP32", shape=[rows, SIZES[0]])
    made.raw_input_contents.append(bytes(4 * rows * SIZES[0]))
    return made.SerializeToString()


def begin(method: UnaryMethod, data: bytes) -> None:
    """Answer a call without a task; the model answers on the event loop."""
    try:
        method.handle(OneCall(data)).__await__().send(None)
    except StopIteration:
        return
    raise RuntimeError("the call waits")


CONFIG = """
max_batch_size: 64
dynamic_batching { }
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""


def make_plane() -> DataPlane:
    """A dataplane that serves the model."""
    with tempfile.TemporaryDirectory() as folder:
        add_model(Path(folder), "perceptron", mlp(SIZES), CONFIG)
        repository = Repository(Path(folder), parse=config_message.parse)
        repository.load_all()
    return DataPlane(OneModel(repository.get("perceptron")), asyncio.get_running_loop())


def cases(method: UnaryMethod, plane: DataPlane) -> dict[str, Callable[[], None]]:
    """What is measured, by name: each answers some requests."""
    learnt: list[MessageTemplate] = []
    batched = method.batches
    if batched is None:
        raise RuntimeError("the method takes no batches")
    batched.remember = learnt.append
    for _ in range(2):
        begin(method, message())
    infer = plane.model("perceptron", "").runtime.infer

    def calls(messages: Sequence[bytes]) -> None:
        for at in range(REQUESTS):
            begin(method, messages[at % len(messages)])

    def batches(batch: OneBatch) -> None:
        for _ in range(REQUESTS // len(batch)):
            batched.handle(batch)

    def runs(rows: Array) -> None:
        for _ in range(REQUESTS // len(rows)):
            infer({"x": rows}, ("y",))

    made: dict[str, Callable[[], None]] = {
        # An id that is not ASCII matches no template.
        "a call that is parsed": partial(calls, [message(id="\u00e9" * (1 + at)) for at in range(3)]),
        "a call that matches a template": partial(calls, [message()]),
    }
    for count in COUNTS:
        made[f"a batch of {count}"] = partial(batches, OneBatch(learnt[0], count))
        made[f"the model alone, {count} rows"] = partial(runs, np.zeros((count, SIZES[0]), np.float32))
    return made


async def measure(repeats: int) -> None:
    """Print the table."""
    # On a busy machine a run may be interrupted for long; the model stays on the event loop nevertheless.
    dispatcher.INLINE_LIMIT = float("inf")
    plane, flow = make_plane(), FlowControl(64 << 20)
    service = InferenceService(plane, SharedMemory(allowed=False), flow.requests)
    method = MethodTable({inference_service.SERVICE: [service]}, flow, plane, None).methods[PATH]
    if not isinstance(method, UnaryMethod):
        raise TypeError(f"{PATH} is a stream")
    measured = cases(method, plane)
    times: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(repeats):
        for name, work in measured.items():
            start = thread_time()
            work()
            times[name].append((thread_time() - start) / REQUESTS * 1e6)
    for name, each in times.items():
        print(f"{name:32} {statistics.median(each):7.2f} us")
    plane.close(5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15, help="measurements of each row")
    asyncio.run(measure(parser.parse_args().repeats))
