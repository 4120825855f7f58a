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
from serving.runtimes.runtime import Array, TensorSpec
from serving.runtimes.settings import DEFAULTS, MOST_THREADS, Settings

SIGNATURE = "serving_default"

DATATYPES = {dtype.type: name for name, dtype in NUMPY.items() if name not in (BF16, BYTES)} | {
    np.bytes_: BYTES,
    np.object_: BYTES,
}

THREADS = "tflite_num_threads"
"""The parameter by which Triton's backend for TFLite is told how many threads to use."""

TINY = 1 << 20
"""Bytes of a model below which a second thread costs more than it brings."""


class TfliteRuntime:
    """One TFLite model.

    The interpreter holds one request's tensors at a time, so a lock guards it. It is resized whenever the
    shapes differ from the last request's: that costs a few microseconds, and an interpreter per batch size
    would hold the weights once more each.

    Args:
        path: The ``.tflite`` file. Its signature ``serving_default`` names the tensors; without a signature
            they have the names in the graph.
        settings: What its owner decides about its threads.

    Raises:
        ModelLoadError: The file is no TFLite model, or needs operators that are not builtin, or a setting is not
            possible.
    """

    platform = "tensorflowlite"
    steady = True
    takes_empty = False  # its kernels divide by sizes

    def __init__(self, path: Path, settings: Settings = DEFAULTS) -> None:
        settings.allow(THREADS)
        settings.refuse_graph_level()
        # Read, not mapped: a file overwritten in place must not pull the rug away.
        content = path.read_bytes()
        default = 1 if len(content) < TINY else cpus.available()
        threads = settings.number(THREADS, MOST_THREADS) or default
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelLoadError(f"the TFLite interpreter cannot load it: {_first_line(error)}") from error
        inputs, outputs = _tensors(self._interpreter)
        self.inputs = tuple(_spec(name, details) for name, details in inputs.items())
        self.outputs = tuple(_spec(name, details) for name, details in outputs.items())
        self._in = [(spec, inputs[spec.name]["index"]) for spec in self.inputs]
        self._out = {name: details["index"] for name, details in outputs.items()}
        self._strings = {spec.name for spec in self.outputs if spec.datatype == BYTES}
        self._shapes: list[tuple[int, ...]] | None = None
        self._lock = Lock()

    def infer(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the model once; see :class:`~serving.runtimes.runtime.Runtime`."""
        interpreter = self._interpreter
        with self._lock:
            self._fit([inputs[spec.name].shape for spec, _ in self._in])
            for spec, index in self._in:
                interpreter.set_tensor(index, inputs[spec.name])
            interpreter.invoke()
            results = [interpreter.get_tensor(self._out[name]) for name in outputs]
        if self._strings:
            return [
                _objects(array) if name in self._strings else array
                for name, array in zip(outputs, results, strict=True)
            ]
        return results

    def _fit(self, shapes: list[tuple[int, ...]]) -> None:
        if shapes == self._shapes:
            return
        # Unknown until the allocation has succeeded.
        self._shapes = None
        for (_, index), shape in zip(self._in, shapes, strict=True):
            self._interpreter.resize_tensor_input(index, shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


def _tensors(interpreter: Interpreter) -> tuple[dict[str, Any], dict[str, Any]]:
    """Details of the inputs and outputs by the names that clients use."""
    signatures = list(interpreter.get_signature_list())
    if not signatures:
        return (
            {_plain(details["name"]): details for details in interpreter.get_input_details()},
            {_plain(details["name"]): details for details in interpreter.get_output_details()},
        )
    # The runner is let go at once: while it lives, the interpreter refuses to be resized.
    runner = interpreter.get_signature_runner(SIGNATURE if SIGNATURE in signatures else signatures[0])
    return dict(runner.get_input_details()), dict(runner.get_output_details())


def _plain(name: str) -> str:
    return name.removeprefix(f"{SIGNATURE}_").removesuffix(":0")


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
