"""SavedModels, run by TensorFlow, which is imported when the first of them is loaded and not before."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.datatypes import BF16, BYTES, NUMPY
from serving.errors import InvalidInputError, ModelLoadError
from serving.runtimes import cpus, saved_model_operators
from serving.runtimes.runtime import DEFAULT_SIGNATURE, FREE, Array, Runtime, TensorSpec, default_first
from serving.runtimes.saved_model_session import SERVE, SessionModel
from serving.runtimes.settings import DEFAULTS, Settings
from serving.runtimes.tensorflow_import import without_keras

log = logging.getLogger(__name__)

_NODES = re.compile(r"\{\{[^{}]*\}\}|\[Op:[^\]]*\]")

DATATYPES = {dtype.name: name for name, dtype in NUMPY.items() if name not in (BF16, BYTES)} | {
    "bfloat16": BF16,
    "string": BYTES,
}


class SavedModelSignature:
    """One SavedModel, by one of its signatures.

    Args:
        tf: TensorFlow.
        model: The loaded model.
        name: The signature's name.
        described: What the file says of it, a ``SignatureDef``.

    Raises:
        ModelLoadError: It takes or returns what has no wire format.
    """

    platform = "tensorflow_savedmodel"
    steady = False  # a graph may loop, and no run of TensorFlow is shorter than a thread hop
    takes_empty = True
    others: Sequence[Runtime] = ()

    def __init__(self, tf: Any, model: Any, name: str, described: Any) -> None:  # noqa: ANN401  TensorFlow has no types
        self._tf = tf
        # The functions of a loaded model hold its variables by weak references.
        self._model = model
        self._function = model.signatures[name]
        self.signature, self.method = name, str(described.method_name)
        taken: dict[str, Any] = self._function.structured_input_signature[1]
        returned: dict[str, Any] = self._function.structured_outputs
        self.inputs = tuple(_spec(each, taken[each], described.inputs[each].name) for each in sorted(taken))
        self.outputs = tuple(
            _spec(each, returned[each], described.outputs[each].name) for each in sorted(returned)
        )
        self._types = {each: spec.dtype for each, spec in taken.items()}
        self._bf16 = {spec.name for spec in (*self.inputs, *self.outputs) if spec.datatype == BF16}

    def infer(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the model once; see :class:`~serving.runtimes.runtime.Runtime`."""
        try:
            results = self._function(**{name: self._tensor(name, array) for name, array in inputs.items()})
        except self._tf.errors.InvalidArgumentError as error:
            # A shape that no signature states, or a tf.Example that lacks what the graph looks for.
            raise InvalidInputError(f"the model cannot take this: {_said(error)}") from error
        return [self._array(name, results[name]) for name in outputs]

    def _tensor(self, name: str, array: Array) -> Any:  # noqa: ANN401  a tensorflow.Tensor
        if name in self._bf16:
            array = array.view(self._types[name].as_numpy_dtype)
        return self._tf.constant(array, dtype=self._types[name])

    def _array(self, name: str, tensor: Any) -> Array:  # noqa: ANN401  a tensorflow.Tensor
        array: Array = tensor.numpy()
        if not tensor.shape.rank:
            # A single element comes by itself.
            array = np.array(array, tensor.dtype.as_numpy_dtype)
        return array.view(NUMPY[BF16]) if name in self._bf16 else array


class SavedModelRuntime(SavedModelSignature):
    """One SavedModel, by its signature ``serving_default``, else by the first.

    Args:
        path: The folder that holds ``saved_model.pb``.
        settings: What its owner decides; there is nothing to decide here.

    Raises:
        ModelLoadError: TensorFlow is not installed, or cannot load the folder, or its graph reaches beyond it, or it
            has no signature, or the default one has no wire format; or there is a setting that Triton's backend has.
    """

    def __init__(self, path: Path, settings: Settings = DEFAULTS) -> None:
        # Its threads are those of all models together.
        settings.allow()
        settings.refuse_graph_level()
        tf = import_library()
        parsed = _parsed(path)
        saved_model_operators.check(parsed)
        try:
            model = _loaded(tf, parsed, str(path))
        except Exception as error:
            # TensorFlow raises OSError, its own errors, and whatever a malformed graph provokes.
            raise ModelLoadError(f"TensorFlow cannot load it: {error}") from error
        default, *others = default_first(model.signatures) or [DEFAULT_SIGNATURE]
        if default not in model.signatures:
            raise ModelLoadError(f"it has no signature; export it with one named '{default}'")
        described = _signatures(parsed)
        super().__init__(tf, model, default, described[default])
        self.others = [
            each for name in others if (each := _served(tf, model, name, described[name], path)) is not None
        ]


def _loaded(tf: Any, parsed: Any, path: str) -> Any:  # noqa: ANN401  TensorFlow has no types
    """The model, as functions if that can be."""
    graphs = parsed.meta_graphs
    try:
        return tf.saved_model.load(path, tags=[SERVE] if len(graphs) > 1 else None)
    except Exception:
        if any(graph.HasField("object_graph_def") for graph in graphs):
            raise
        # TensorFlow 1 wrote it.
        return SessionModel(tf, path, cpus.available())


def _signatures(parsed: Any) -> Mapping[str, Any]:  # noqa: ANN401  a SavedModel message
    """What the file says of the signatures of the graph that is served."""
    graphs = parsed.meta_graphs
    served = (graph for graph in graphs if len(graphs) == 1 or list(graph.meta_info_def.tags) == [SERVE])
    found: Mapping[str, Any] = next(served).signature_def
    return found


def _served(tf: Any, model: Any, name: str, described: Any, path: Path) -> SavedModelSignature | None:  # noqa: ANN401  TensorFlow has no types
    """A signature beside the default one; None, and a line in the log, if it cannot be served."""
    try:
        return SavedModelSignature(tf, model, name, described)
    except ModelLoadError as error:
        log.warning("signature %r of the SavedModel %r is not served: %s", name, str(path), error)
        return None


def import_library() -> Any:  # noqa: ANN401  a module
    """TensorFlow; imported with the first call.

    Raises:
        ModelLoadError: It is not installed.
    """
    # It looks for a GPU and talks about it, past our log; models here run on the CPU.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        # Seconds and a gigabyte, which only those who serve SavedModels pay.
        with without_keras():
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


def _spec(name: str, described: Any, graph_name: str) -> TensorSpec:  # noqa: ANN401  a tensorflow.TensorSpec
    datatype = DATATYPES.get(described.dtype.name)
    if datatype is None:
        raise ModelLoadError(f"'{name}' is of type {described.dtype.name}, which has no wire format")
    any_rank = described.shape.rank is None
    shape = () if any_rank else tuple(FREE if size is None else size for size in described.shape)
    return TensorSpec(name, datatype, shape, any_rank, graph_name)


def _said(error: Exception) -> str:
    """What an operator says of its input, without where it stands: there are our paths, and nodes of the graph."""
    said, _, _ = str(error).partition("\n\t [[")
    lines = [line for each in _NODES.sub("", said).splitlines() if (line := each.strip())]
    return lines[-1] if lines and not lines[-1].startswith('File "') else "TensorFlow does not say why"
