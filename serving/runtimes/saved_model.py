"""SavedModels, run by TensorFlow, which is imported when the first of them is loaded and not before."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serving.datatypes import BF16, BYTES, NUMPY
from serving.errors import ModelLoadError
from serving.runtimes import cpus, saved_model_operators
from serving.runtimes.bare_import import bare
from serving.runtimes.runtime import FREE, Array, TensorSpec

SIGNATURE = "serving_default"

DATATYPES = {dtype.name: name for name, dtype in NUMPY.items() if name not in (BF16, BYTES)} | {
    "bfloat16": BF16,
    "string": BYTES,
}


class SavedModelRuntime:
    """One SavedModel, through its signature ``serving_default``.

    Args:
        path: The folder that holds ``saved_model.pb``.

    Raises:
        ModelLoadError: TensorFlow is not installed, or cannot load the folder, or its graph reaches beyond it, or it
            lacks the signature.
    """

    platform = "tensorflow_savedmodel"
    steady = False  # a graph may loop, and no run of TensorFlow is shorter than a thread hop

    def __init__(self, path: Path) -> None:
        self._tf = _import_tensorflow()
        saved_model_operators.check(_parsed(path))
        try:
            # The functions of a loaded model hold its variables by weak references.
            self._model = self._tf.saved_model.load(str(path))
        except Exception as error:
            # TensorFlow raises OSError, its own errors, and whatever a malformed graph provokes.
            raise ModelLoadError(f"TensorFlow cannot load it: {error}") from error
        if SIGNATURE not in self._model.signatures:
            raise ModelLoadError(f"it has no signature '{SIGNATURE}'")
        self._function = self._model.signatures[SIGNATURE]
        taken: dict[str, Any] = self._function.structured_input_signature[1]
        returned: dict[str, Any] = self._function.structured_outputs
        self.inputs = tuple(_spec(name, taken[name]) for name in sorted(taken))
        self.outputs = tuple(_spec(name, returned[name]) for name in sorted(returned))
        self._types = {name: spec.dtype for name, spec in taken.items()}
        self._bf16 = {spec.name for spec in (*self.inputs, *self.outputs) if spec.datatype == BF16}

    def infer(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the model once; see :class:`~serving.runtimes.runtime.Runtime`."""
        results = self._function(**{name: self._tensor(name, array) for name, array in inputs.items()})
        return [self._array(name, results[name]) for name in outputs]

    def _tensor(self, name: str, array: Array) -> Any:  # noqa: ANN401  a tensorflow.Tensor
        if name in self._bf16:
            array = array.view(self._types[name].as_numpy_dtype)
        return self._tf.constant(array, dtype=self._types[name])

    def _array(self, name: str, tensor: Any) -> Array:  # noqa: ANN401  a tensorflow.Tensor
        array: Array = tensor.numpy()
        return array.view(NUMPY[BF16]) if name in self._bf16 else array


def _import_tensorflow() -> Any:  # noqa: ANN401  a module
    # It looks for a GPU and talks about it, past our log; models here run on the CPU.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        # Seconds and a gigabyte, which only those who serve SavedModels pay.
        with bare():
            import tensorflow as tf  # noqa: PLC0415
    except ImportError as error:
        raise ModelLoadError(
            "a SavedModel needs TensorFlow, which is not installed; run: pip install plainserve[saved-model]"
        ) from error
    try:
        tf.config.threading.set_intra_op_parallelism_threads(cpus.available())
        tf.config.threading.set_inter_op_parallelism_threads(cpus.available())
    except RuntimeError:
        # TensorFlow already runs, started by an earlier model with this very setting.
        return tf
    return tf


def _parsed(path: Path) -> Any:  # noqa: ANN401  a SavedModel message
    """What TensorFlow is about to read: of the forms a SavedModel may have, it prefers this one."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel  # noqa: PLC0415  as late as TensorFlow itself

    try:
        return SavedModel.FromString((path / "saved_model.pb").read_bytes())
    except OSError as error:
        raise ModelLoadError("it has no saved_model.pb that can be read") from error
    except Exception as error:
        # protobuf's, which is no business of this layer.
        raise ModelLoadError("its saved_model.pb is damaged") from error


def _spec(name: str, described: Any) -> TensorSpec:  # noqa: ANN401  a tensorflow.TensorSpec
    datatype = DATATYPES.get(described.dtype.name)
    if datatype is None:
        raise ModelLoadError(f"'{name}' is of type {described.dtype.name}, which has no wire format")
    if described.shape.rank is None:
        raise ModelLoadError(f"'{name}' has no fixed number of dimensions")
    return TensorSpec(name, datatype, tuple(FREE if size is None else size for size in described.shape))
