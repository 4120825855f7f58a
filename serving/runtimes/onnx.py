"""ONNX models, run by onnxruntime on the CPU."""

import ctypes
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from serving.datatypes import BF16, BYTES
from serving.errors import InvalidInputError, ModelLoadError
from serving.runtimes.onnx_operators import EMPTY_PROOF, UNKNOWN, operators
from serving.runtimes.onnx_options import session_options
from serving.runtimes.runtime import DEFAULT_SIGNATURE, FREE, PREDICT, Array, Runtime, TensorSpec
from serving.runtimes.settings import DEFAULTS, Settings

DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(bfloat16)": BF16,
    "tensor(string)": BYTES,
}

BFLOAT16_ELEMENT = 16
"""TensorProto.DataType.BFLOAT16."""

_RUN_OPTIONS = onnxruntime.RunOptions()
"""The defaults; made once, since onnxruntime would make them for each run."""


class OnnxRuntime:
    """One ONNX model.

    Args:
        path: The ``.onnx`` file; external data lies in its folder.
        settings: What its owner decides about its threads and the like.

    Raises:
        ModelLoadError: The file is no ONNX model that onnxruntime can run, or has an input or output that
            is not a tensor, or a setting is not possible.
    """

    platform = "onnxruntime_onnx"
    signature, method = DEFAULT_SIGNATURE, PREDICT
    others: Sequence[Runtime] = ()

    def __init__(self, path: Path, settings: Settings = DEFAULTS) -> None:
        options = session_options(path, settings)
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # onnxruntime's exceptions share no base class but Exception.
            raise ModelLoadError(f"onnxruntime cannot load it: {error}") from error
        self.inputs = tuple(_spec(each) for each in self._session.get_inputs())
        self.outputs = tuple(_spec(each) for each in self._session.get_outputs())
        self._strings = [spec.name for spec in self.inputs if spec.datatype == BYTES]
        # What the session's own ``run`` adds to this is a check of the input names, which is already done.
        self._run = self._session._sess.run  # noqa: SLF001  saves a tenth of a small model's time
        found = operators(path)
        # A Loop takes as many steps as a tensor says.
        self.steady = found.isdisjoint({"Loop", UNKNOWN})
        self.takes_empty = found <= EMPTY_PROOF
        if BF16 in {spec.datatype for spec in (*self.inputs, *self.outputs)}:
            bf16 = frozenset(spec.name for spec in self.inputs if spec.datatype == BF16)
            # Not a method: it would keep this object, and with it the weights, until cycles are collected.
            self._run = partial(_run_values, self._session, bf16)

    def infer(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the model once; see :class:`~serving.runtimes.runtime.Runtime`."""
        if self._strings:
            inputs = {**inputs, **{name: _decoded(inputs[name], name) for name in self._strings}}
        results: list[Array] = self._run(outputs, inputs, _RUN_OPTIONS)
        for at, array in enumerate(results):
            if array.dtype == np.object_:
                results[at] = _encoded(array)
        return results


def _spec(described: Any) -> TensorSpec:  # noqa: ANN401  onnxruntime ships no types
    if described.type not in DATATYPES:
        raise ModelLoadError(f"'{described.name}' is of type {described.type}; only tensors can be served")
    shape = tuple(size if isinstance(size, int) and size >= 0 else FREE for size in described.shape)
    return TensorSpec(described.name, DATATYPES[described.type], shape)


def _decoded(array: Array, name: str) -> Array:
    try:
        text = [element.decode() for element in array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"input '{name}': an element is not UTF-8, and ONNX strings are") from error
    decoded = np.empty(len(text), dtype=np.object_)
    decoded[:] = text
    return decoded.reshape(array.shape)


def _encoded(array: Array) -> Array:
    encoded = np.empty(array.size, dtype=np.object_)
    encoded[:] = [element.encode() for element in array.ravel().tolist()]
    return encoded.reshape(array.shape)


def _run_values(
    session: onnxruntime.InferenceSession,
    bf16: frozenset[str],
    outputs: Sequence[str],
    inputs: Mapping[str, Array],
    _: None,
) -> list[Array]:
    """The long way, for models with bfloat16, which numpy does not have."""
    values = {name: _value(array, bits=name in bf16) for name, array in inputs.items()}
    return [_array(value) for value in session.run_with_ort_values(outputs, values)]


def _value(array: Array, *, bits: bool) -> onnxruntime.OrtValue:
    if bits:
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
            np.ascontiguousarray(array), BFLOAT16_ELEMENT
        )
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def _array(value: onnxruntime.OrtValue) -> Array:
    if value.data_type() != "tensor(bfloat16)":
        array: Array = value.numpy()
        return array
    shape = tuple(value.shape())
    data = ctypes.string_at(value.data_ptr(), 2 * int(np.prod(shape, dtype=np.int64)))
    return np.frombuffer(data, np.uint16).reshape(shape)
