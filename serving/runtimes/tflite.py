"""TFLite models, run by the LiteRT interpreter on the CPU."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from serving.datatypes import BF16, BYTES, NUMPY
from serving.errors import ModelLoadError
from serving.runtimes import cpus
from serving.runtimes.runtime import DEFAULT_SIGNATURE, PREDICT, Array, Runtime, TensorSpec, default_first
from serving.runtimes.settings import DEFAULTS, MOST_THREADS, Settings

DATATYPES = {dtype.type: name for name, dtype in NUMPY.items() if name not in (BF16, BYTES)} | {
    np.bytes_: BYTES,
    np.object_: BYTES,
}

THREADS = "tflite_num_threads"
"""The parameter by which Triton's backend for TFLite is told how many threads to use."""

TINY = 1 << 20
"""Bytes of a model below which a second thread costs more than it brings."""


class TfliteSignature:
    """One TFLite model, by one of its signatures.

    The interpreter holds one request's tensors at a time, so a lock guards it. It is resized whenever the
    shapes differ from the last request's: that costs a few microseconds, and an interpreter per batch size
    would hold the weights once more each.

    Args:
        name: The signature's name.
        graph: What it runs.
        lock: Guards the interpreter.
    """

    platform = "tensorflowlite"
    steady = True
    takes_empty = False  # its kernels divide by sizes
    method = PREDICT
    others: Sequence[Runtime] = ()

    def __init__(self, name: str, graph: "MainGraph | Subgraph", lock: Lock) -> None:
        self.signature = name
        self.inputs = tuple(_spec(name, details) for name, details in graph.taken.items())
        self.outputs = tuple(_spec(name, details) for name, details in graph.returned.items())
        self._graph, self._lock = graph, lock
        self._strings = {spec.name for spec in self.outputs if spec.datatype == BYTES}

    def infer(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the model once; see :class:`~serving.runtimes.runtime.Runtime`."""
        with self._lock:
            results = self._graph.run(inputs, outputs)
        if self._strings:
            return [
                _objects(array) if name in self._strings else array
                for name, array in zip(outputs, results, strict=True)
            ]
        return results


class TfliteRuntime(TfliteSignature):
    """One TFLite model, by its signature ``serving_default``, else by the first.

    Args:
        path: The ``.tflite`` file. Without a signature its tensors have the names in the graph.
        settings: What its owner decides about its threads.

    Raises:
        ModelLoadError: The file is no TFLite model, or needs operators that are not builtin, or a setting is not
            possible.
    """

    def __init__(self, path: Path, settings: Settings = DEFAULTS) -> None:
        settings.allow(THREADS)
        settings.refuse_graph_level()
        # Read, not mapped: a file overwritten in place must not pull the rug away.
        content = path.read_bytes()
        default = 1 if len(content) < TINY else cpus.available()
        threads = settings.number(THREADS, MOST_THREADS) or default
        try:
            interpreter = Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelLoadError(f"the TFLite interpreter cannot load it: {_first_line(error)}") from error
        lock = Lock()
        names = default_first(interpreter.get_signature_list())
        first, *others = names or [DEFAULT_SIGNATURE]
        graph = MainGraph(interpreter) if _is_main(interpreter, names) else Subgraph(interpreter, first)
        super().__init__(first, graph, lock)
        self.others = [TfliteSignature(name, Subgraph(interpreter, name), lock) for name in others]


class MainGraph:
    """The graph of a model that has no other signature.

    Args:
        interpreter: The interpreter.

    Attributes:
        taken: Details of its inputs, by the names that clients use.
        returned: Details of its outputs.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self.taken, self.returned = _tensors(interpreter)
        self._in = [(name, details["index"]) for name, details in self.taken.items()]
        self._out = {name: details["index"] for name, details in self.returned.items()}
        self._shapes: list[tuple[int, ...]] | None = None

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """The outputs that are wanted, in their order."""
        interpreter = self._interpreter
        self._fit([inputs[name].shape for name, _ in self._in])
        for name, index in self._in:
            interpreter.set_tensor(index, inputs[name])
        interpreter.invoke()
        return [interpreter.get_tensor(self._out[name]) for name in outputs]

    def _fit(self, shapes: list[tuple[int, ...]]) -> None:
        if shapes == self._shapes:
            return
        # Unknown until the allocation has succeeded.
        self._shapes = None
        for (_, index), shape in zip(self._in, shapes, strict=True):
            self._interpreter.resize_tensor_input(index, shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


class Subgraph:
    """The graph of one of several signatures; only a runner reaches it, which takes 10 microseconds more.

    Args:
        interpreter: The interpreter.
        name: The signature's name.

    Attributes:
        taken: Details of its inputs, by the names that clients use.
        returned: Details of its outputs.
    """

    def __init__(self, interpreter: Interpreter, name: str) -> None:
        self._runner = interpreter.get_signature_runner(name)
        self.taken = dict(self._runner.get_input_details())
        self.returned = dict(self._runner.get_output_details())

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """The outputs that are wanted, in their order."""
        results = self._runner(**inputs)
        return [results[name] for name in outputs]


def _is_main(interpreter: Interpreter, signatures: Sequence[str]) -> bool:
    """Whether all there is to call is the graph that the interpreter runs by itself."""
    if len(signatures) != 1:
        return not signatures
    runner = interpreter.get_signature_runner(signatures[0])
    sides = (
        (interpreter.get_input_details(), runner.get_input_details()),
        (interpreter.get_output_details(), runner.get_output_details()),
    )
    return all(set(map(_place, main)) == set(map(_place, own.values())) for main, own in sides)


def _place(details: Mapping[str, Any]) -> tuple[int, str]:
    return details["index"], details["name"]


def _tensors(interpreter: Interpreter) -> tuple[dict[str, Any], dict[str, Any]]:
    """Details of the inputs and outputs by the names that clients use."""
    signatures = list(interpreter.get_signature_list())
    if not signatures:
        return (
            {_plain(details["name"]): details for details in interpreter.get_input_details()},
            {_plain(details["name"]): details for details in interpreter.get_output_details()},
        )
    # The runner is let go at once: while it lives, the interpreter refuses to be resized.
    runner = interpreter.get_signature_runner(signatures[0])
    return dict(runner.get_input_details()), dict(runner.get_output_details())


def _plain(name: str) -> str:
    return name.removeprefix(f"{DEFAULT_SIGNATURE}_").removesuffix(":0")


def _spec(name: str, details: Mapping[str, Any]) -> TensorSpec:
    datatype = DATATYPES.get(np.dtype(details["dtype"]).type)
    if datatype is None:
        raise ModelLoadError(f"'{name}' is of type {details['dtype'].__name__}, which has no wire format")
    return TensorSpec(name, datatype, tuple(int(size) for size in details["shape_signature"]))


def _objects(array: Array) -> Array:
    # An array made from a list of bytes would be of fixed width and lose trailing zeros.
    objects = np.empty(array.size, np.object_)
    objects[:] = [bytes(each) for each in array.ravel().tolist()]
    return objects.reshape(array.shape)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
