"""Models, repositories and servers for these tests; everything ends with the test that asked for it."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import flatbuffers
import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as tflite
from free_ports import free_port
from onnx import TensorProto, helper
from patience import PATIENCE, until

from protos import open_inference_pb2 as pb
from serving.repository.config import ModelConfig, QueuePolicy
from serving.repository.loading.batching_permission import BatchingPermission
from serving.repository.model import LoadedModel
from serving.runtimes.runtime import TensorSpec
from serving.server import frontend_choice
from serving.server.options import FrontEnd
from serving.transport.native.availability import availability
from serving.transport.transport import Transport

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parents[2]


def tensor(name, element, shape):
    return helper.make_tensor_value_info(name, element, shape)


def save(nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "test", inputs, outputs, [*initializers])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


class OnnxModels:
    """Small ONNX models, as bytes; ``save`` makes one of nodes."""

    save = staticmethod(save)

    @staticmethod
    def affine(scale=2.0):
        """x: FP32 [-1,3] -> y = scale x + 1."""
        numbers = [
            onnx.numpy_helper.from_array(np.array(value, np.float32), name)
            for name, value in (("scale", scale), ("one", 1.0))
        ]
        nodes = [helper.make_node("Mul", ["x", "scale"], ["p"]), helper.make_node("Add", ["p", "one"], ["y"])]
        x, y = (tensor(name, TensorProto.FLOAT, ["batch", 3]) for name in "xy")
        return save(nodes, [x], [y], numbers)

    @staticmethod
    def identity(element, shape):
        """x -> y = x, of any element type."""
        x, y = (tensor(name, element, shape) for name in "xy")
        return save([helper.make_node("Identity", ["x"], ["y"])], [x], [y])

    @staticmethod
    def add_sub():
        """INPUT0, INPUT1: INT32 [1,16] -> OUTPUT0 = sum, OUTPUT1 = difference."""
        names = ["INPUT0", "INPUT1"]
        nodes = [helper.make_node("Add", names, ["OUTPUT0"]), helper.make_node("Sub", names, ["OUTPUT1"])]
        inputs = [tensor(name, TensorProto.INT32, [1, 16]) for name in names]
        return save(nodes, inputs, [tensor(f"OUTPUT{at}", TensorProto.INT32, [1, 16]) for at in (0, 1)])

    @staticmethod
    def lookup():
        """ids: INT64 [-1] -> row = one of four; an id of 4 or more makes the run fail."""
        table = onnx.numpy_helper.from_array(np.arange(8, dtype=np.float32).reshape(4, 2), "table")
        node = helper.make_node("Gather", ["table", "ids"], ["row"])
        ids, row = tensor("ids", TensorProto.INT64, ["batch"]), tensor("row", TensorProto.FLOAT, ["batch", 2])
        return save([node], [ids], [row], [table])

    @staticmethod
    def examples(*names):
        """inputs: BYTES [-1] -> those named of classes = inputs twice, scores = 0.25 and 0.75, outputs = 1.5."""
        numbers = {
            "twice": np.array([1, 2]),
            "quarters": np.float32([[0.25, 0.75]]),
            "half": np.float32([[1.5]]),
            "last": np.array([-1]),
        }
        nodes = [
            helper.make_node("Unsqueeze", ["inputs", "last"], ["column"]),
            helper.make_node("Tile", ["column", "twice"], ["classes"]),
            helper.make_node("Shape", ["column"], ["sizes"]),
            helper.make_node("Expand", ["quarters", "sizes"], ["scores"]),
            helper.make_node("Expand", ["half", "sizes"], ["outputs"]),
        ]
        kinds = {"classes": (TensorProto.STRING, 2), "scores": (1, 2), "outputs": (1, 1)}
        returned = [tensor(name, kinds[name][0], ["batch", kinds[name][1]]) for name in names]
        constants = [onnx.numpy_helper.from_array(value, name) for name, value in numbers.items()]
        return save(nodes, [tensor("inputs", TensorProto.STRING, ["batch"])], returned, constants)

    @staticmethod
    def counter():
        """n: INT64 [1] -> y = n, counted one by one: a run takes as long as the request wants."""
        one = onnx.numpy_helper.from_array(np.array([1], np.int64), "one")
        body = helper.make_graph(
            [
                helper.make_node("Add", ["so_far", "one"], ["more"]),
                helper.make_node("Identity", ["go"], ["on"]),
            ],
            "body",
            [
                tensor("step", TensorProto.INT64, []),
                tensor("go", TensorProto.BOOL, []),
                tensor("so_far", 7, [1]),
            ],
            [tensor("on", TensorProto.BOOL, []), tensor("more", TensorProto.INT64, [1])],
        )
        constants = [
            onnx.numpy_helper.from_array(np.array(value), name)
            for name, value in (("true", True), ("zero", np.array([0])), ("scalar", np.array([], np.int64)))
        ]
        nodes = [
            helper.make_node("Reshape", ["n", "scalar"], ["steps"]),
            helper.make_node("Loop", ["steps", "true", "zero"], ["y"], body=body),
        ]
        n, y = tensor("n", TensorProto.INT64, [1]), tensor("y", TensorProto.INT64, [1])
        return save(nodes, [n], [y], [one, *constants])

    @staticmethod
    def endless():
        """x: FP32 [-1,3] -> y after 2**63 - 1 steps."""
        body = helper.make_graph(
            [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["v", "v"], ["twice"])],
            "body",
            [tensor("step", 7, []), tensor("go", TensorProto.BOOL, []), tensor("v", TensorProto.FLOAT, None)],
            [tensor("on", TensorProto.BOOL, []), tensor("twice", TensorProto.FLOAT, None)],
        )
        constants = [
            onnx.numpy_helper.from_array(np.array(value), name)
            for name, value in (("steps", (1 << 63) - 1), ("true", True))
        ]
        x, y = (tensor(name, TensorProto.FLOAT, ["batch", 3]) for name in "xy")
        return save([helper.make_node("Loop", ["steps", "true", "x"], ["y"], body=body)], [x], [y], constants)

    @staticmethod
    def hungry(mebibytes):
        """x: FP32 [-1,3] -> y, of the same shape, by way of so many MiB."""
        constants = [
            onnx.numpy_helper.from_array(np.array(value, np.int64), name)
            for name, value in (("many", [mebibytes << 18]), ("first", [0]))
        ]
        one = onnx.numpy_helper.from_array(np.ones(1, np.float32))
        nodes = [
            # Not a constant, which onnxruntime would compute when it opens the model.
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("ReduceMin", ["shape"], ["few"], keepdims=0),
            helper.make_node("Sub", ["few", "few"], ["none"]),
            helper.make_node("Add", ["many", "none"], ["size"]),
            helper.make_node("ConstantOfShape", ["size"], ["wide"], value=one),
            helper.make_node("Gather", ["wide", "first"], ["one"]),
            helper.make_node("Mul", ["x", "one"], ["y"]),
        ]
        x, y = (tensor(name, TensorProto.FLOAT, ["batch", 3]) for name in "xy")
        return save(nodes, [x], [y], constants)


def crashing_tflite():
    """A TFLite file that ends a process that opens it: Split, whose axis has eight bytes in the place of four."""
    model = tflite.ModelT()
    model.version, model.description = 3, b""
    code = tflite.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = tflite.BuiltinOperator.SPLIT
    code.version = 1
    axis = tflite.BufferT()
    axis.data = np.frombuffer(np.array([4, 1], "<i4").tobytes(), np.uint8)
    graph, operator = tflite.SubGraphT(), tflite.OperatorT()
    graph.name, graph.tensors = b"main", []
    kinds = (b"x", [4], "FLOAT32", 0), (b"s", [2], "INT32", 1), (b"y", [4], "FLOAT32", 0)
    for name, shape, kind, buffer in kinds:
        made = tflite.TensorT()
        made.name, made.shape, made.buffer = name, np.array(shape, np.int32), buffer
        made.type = getattr(tflite.TensorType, kind)
        graph.tensors.append(made)
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, np.array([0, 1]), np.array([2])
    graph.operators, graph.inputs, graph.outputs = [operator], np.array([0]), np.array([2])
    model.operatorCodes, model.buffers, model.subgraphs = [code], [tflite.BufferT(), axis], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="session")
def crashing():
    return crashing_tflite()


@pytest.fixture(scope="session")
def onnx_models():
    return OnnxModels


@pytest.fixture(scope="session")
def count_to():
    """Makes a request to the counter model, served as 'counter'; the answer is the number of steps."""

    def request(steps, **fields):
        made = pb.ModelInferRequest(
            model_name="counter", raw_input_contents=[np.int64(steps).tobytes()], **fields
        )
        made.inputs.add(name="n", datatype="INT64", shape=[1])
        return made

    return request


@pytest.fixture(scope="session")
def steps_lasting(onnx_models):
    """How far the counter model counts in that many seconds here; machines differ by much more than 2."""
    session = onnxruntime.InferenceSession(onnx_models.counter())

    def timed(steps):
        start = time.perf_counter()
        session.run(None, {"n": np.array([steps])})
        return time.perf_counter() - start

    # The fastest of some short runs: what disturbs one makes it slower, and a count that lasts longer does no harm.
    step = min(timed(20_000) for _ in range(5)) / 20_000
    return lambda seconds: int(seconds / step)


class RepositoryFolder:
    """A repository being filled."""

    def __init__(self, root):
        self.root = root

    def version(self, model, version=1):
        folder = self.root / model / str(version)
        folder.mkdir(parents=True)
        return folder

    def onnx(self, model, content, version=1):
        (self.version(model, version) / "model.onnx").write_bytes(content)

    def config(self, model, text):
        (self.root / model / "config.pbtxt").write_text(text)

    def tflite(self, model, name, version=1):
        shutil.copy(DATA / name, self.version(model, version) / "model.tflite")


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repository"
    root.mkdir()
    return RepositoryFolder(root)


@pytest.fixture(scope="session")
def full_repository(tmp_path_factory):
    """A model of each kind, one of them bad. Nobody writes to it."""
    folder = RepositoryFolder(tmp_path_factory.mktemp("repository"))
    for version in (1, 2):
        folder.onnx("affine", OnnxModels.affine(version), version)
    folder.config("affine", "version_policy { all {} }")
    folder.onnx("simple", OnnxModels.add_sub())
    folder.onnx("lookup", OnnxModels.lookup())
    folder.onnx("text", OnnxModels.identity(TensorProto.STRING, ["batch", 2]))
    folder.onnx("half", OnnxModels.identity(TensorProto.FLOAT16, ["batch", 2]))
    folder.config("half", "max_batch_size: 16")
    folder.onnx("bad", b"junk")
    folder.tflite("affine_lite", "affine.tflite")
    folder.tflite("labels_lite", "labels.tflite")
    return folder.root


class FunctionRuntime:
    """A runtime that is a Python function from arrays to arrays, and remembers the batches it ran."""

    platform = "python_function"
    steady = True
    takes_empty = True

    def __init__(self, function, inputs, outputs):
        self.function, self.inputs, self.outputs = function, inputs, outputs
        self.batches = []

    def infer(self, inputs, outputs):
        self.batches.append(next(iter(inputs.values())).shape[0])
        results = self.function(**inputs)
        return [results[name] for name in outputs]


@pytest.fixture
def function_model():
    """Make a loaded model out of a function of ``x``, FP32 [-1,...], to a dict with ``y``."""

    def make(function, *, shape=(-1, 2), max_batch_size=8, queue=None, latency=None, joins=True, **config):
        specs = (TensorSpec("x", "FP32", shape),), (TensorSpec("y", "FP32", shape),)
        config = ModelConfig(max_batch_size=max_batch_size, queue=queue or QueuePolicy(size=64), **config)
        runtime, permission = (
            FunctionRuntime(function, *specs),
            BatchingPermission(joins and max_batch_size > 1),
        )
        return LoadedModel("function", "1", runtime, config, latency, batching_permission=permission)

    return make


class Frontend(NamedTuple):
    """What carries the calls of a server: the class in this process, the options of the command in another."""

    name: str
    make: type[Transport]
    options: tuple[str, ...]


FRONTENDS = ("grpcio",) if availability() else ("grpcio", "native")


@pytest.fixture(scope="session", params=FRONTENDS)
def frontend(request):
    """Every test with a server runs with each."""
    name = request.param
    return Frontend(name, frontend_choice.transport(FrontEnd(name)), ("--frontend", name))


class RunningServer:
    """A server in a process of its own."""

    def __init__(self, process, line):
        self.process, self.line = process, line
        self.address = line.rpartition(" ")[2]

    def terminate(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


class Traffic:
    """What a server that was started with ``options`` tells of its inference requests, by its metrics."""

    def __init__(self):
        self._port = free_port()
        self.options = ("--metrics-port", str(self._port))

    def total(self, name, *labels):
        """The sum of a metric over all that has these labels."""
        url = f"http://127.0.0.1:{self._port}/metrics"
        with urllib.request.urlopen(url, timeout=PATIENCE) as page:
            lines = page.read().decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if re.match(rf"{name}[{{ ]", line) and all(label in line for label in labels)
        )

    def wait_for(self, *, running, waiting=0):
        """Until so many requests are with their models, and so many more wait for those."""

        def come():
            method = 'grpc_method="ModelInfer"', 'grpc_method="Predict"'
            begun = sum(self.total("grpc_server_started_total", each) for each in method)
            ended = sum(self.total("grpc_server_handled_total", each) for each in method)
            pending = self.total("nv_inference_pending_request_count")
            return (begun - ended - pending, pending) == (running, waiting)

        until(come)


@pytest.fixture
def traffic():
    return Traffic()


@pytest.fixture(scope="module")
def module_traffic():
    """Likewise, for all tests of a module."""
    return Traffic()


def beginner(folder, processes, frontend):

    def begin(root, *options, code=None):
        program = ["-c", code] if code else ["-m", "serving"]
        process = subprocess.Popen(
            [
                sys.executable,
                *program,
                "serve",
                str(root),
                "--port",
                "0",
                "--metrics-port",
                "off",
                "--lame-duck-seconds",
                "0",
                *frontend.options,
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        processes.append(process)
        return process

    return begin


def starter(folder, processes, frontend):
    begin = beginner(folder, processes, frontend)

    def start(root, *options, code=None):
        process = begin(root, *options, code=code)
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        line = process.stdout.readline().rstrip("\n") if ready else ""
        if not line:
            process.kill()
        assert line, process.stderr.read()
        return RunningServer(process, line)

    return start


def end(processes):
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


@pytest.fixture
def begin_server(tmp_path, frontend):
    """Likewise, and do not wait until it serves; gives its process."""
    processes = []
    yield beginner(tmp_path, processes, frontend)
    end(processes)


@pytest.fixture
def start_server(tmp_path, frontend):
    """Start ``plainserve serve`` on a free port; ``code`` replaces the module that is run."""
    processes = []
    yield starter(tmp_path, processes, frontend)
    end(processes)


@pytest.fixture(scope="module")
def module_server(tmp_path_factory, frontend):
    """Likewise, for all tests of a module."""
    processes = []
    yield starter(tmp_path_factory.mktemp("server"), processes, frontend)
    end(processes)


@pytest.fixture(scope="module")
def start_module_server(tmp_path_factory, frontend):
    """Likewise, for all tests of a module."""
    processes = []
    yield starter(tmp_path_factory.mktemp("server"), processes, frontend)
    end(processes)


@pytest.fixture(scope="session")
def full_server(full_repository, tmp_path_factory, frontend):
    """A server for the full repository, for all tests that do not stop it."""
    processes = []
    yield starter(tmp_path_factory.mktemp("server"), processes, frontend)(full_repository)
    end(processes)


@pytest.fixture(scope="session")
def start_with_each(tmp_path_factory):
    """Start a server with each front end over one repository; gives them by name. ``options`` takes the name."""
    if len(FRONTENDS) == 1:
        pytest.skip("there is no native front end to compare with")
    processes, readers = [], []

    def read_to_the_end(log):
        with log:
            while log.read(1 << 16):
                pass

    def start(root, options):
        servers = {}
        for name in FRONTENDS:
            carried = Frontend(name, frontend_choice.transport(FrontEnd(name)), ("--frontend", name))
            begin = starter(tmp_path_factory.mktemp(name), processes, carried)
            servers[name] = begin(root, *options(name))
            # A server whose log nobody reads waits once the pipe is full.
            log, servers[name].process.stderr = servers[name].process.stderr, None
            readers.append(threading.Thread(target=read_to_the_end, args=(log,)))
            readers[-1].start()
        return servers

    yield start
    end(processes)
    for reader in readers:
        reader.join(timeout=PATIENCE)
