"""Opens, checks and runs a ``.keras`` file in Keras, in safe mode."""

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy.typing as npt
import tensorflow as tf

from converter.artefacts.contract import Arrays, in_order
from converter.artefacts.frozen_graph import freeze
from converter.errors import UnsupportedError
from converter.exporters.contract import PROVENANCE_KEY
from converter.exporters.keras import NAMES_KEY
from converter.exporters.serving_function import serving_function, with_placeholder_names
from converter.signature import Signature, TensorSpec


class KerasArtefact:
    """See ``contract.Artefact``.

    Args:
        path: The file.

    Raises:
        UnsupportedError: Keras cannot load it without custom code.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._model = keras.saving.load_model(path, compile=False, safe_mode=True)
        except (OSError, TypeError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UnsupportedError("Keras cannot load this file in safe mode", where=path.name) from error

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs of the model, under the names recorded in the file, or else those of Keras."""
        names = self._names.get("inputs") or [tensor.name for tensor in self._model.inputs]
        return _specs(names, self._model.inputs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs of the model, under the names recorded in the file, or else those of Keras."""
        names = self._names.get("outputs") or self._model.output_names
        return _specs(names, self._model.outputs)

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Call the model in inference mode."""
        arrays = in_order(inputs, self.inputs)
        results = keras.tree.flatten(self._model(list(arrays.values()), training=False))
        return {
            spec.name: keras.ops.convert_to_numpy(result)
            for spec, result in zip(self.outputs, results, strict=True)
        }

    def run_before_softmax(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute the inputs of final softmaxes, in the graph that TensorFlow traces from the model."""
        return self._before_softmax(list(in_order(inputs, self.inputs).values()))

    def operators(self) -> Counter[str]:
        """How often each class of layer or operation occurs, and each activation that a layer applies itself.

        Of a nested model, the content is counted.
        """
        counts: Counter[str] = Counter()
        models = [self._model]
        while models:
            for operation in models.pop().operations:
                if isinstance(operation, keras.Model):
                    models.append(operation)
                    continue
                counts[type(operation).__name__] += 1
                activation = getattr(operation, "activation", None)
                if activation not in (None, keras.activations.linear):
                    counts[getattr(activation, "__name__", type(activation).__name__)] += 1
        return counts

    def check(self) -> None:
        """Nothing is left to check: the file loaded in safe mode."""

    def provenance(self) -> dict[str, Any]:
        """Read ``metadata.json``."""
        return dict(self._metadata.get(PROVENANCE_KEY, {}))

    @cached_property
    def _before_softmax(self) -> Callable[[Sequence[npt.NDArray[Any]]], dict[str, npt.NDArray[Any]]]:
        return before_softmax(self._model, Signature(self.inputs, self.outputs))

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        with zipfile.ZipFile(self._path) as archive:
            return dict(json.loads(archive.read("metadata.json")))

    @property
    def _names(self) -> dict[str, list[str]]:
        return dict(self._metadata.get(NAMES_KEY, {}))


def before_softmax(
    model: keras.Model, signature: Signature
) -> Callable[[Sequence[npt.NDArray[Any]]], dict[str, npt.NDArray[Any]]]:
    """Trace what goes into the softmaxes that produce a model's outputs, nested models included.

    Tracing takes much longer than a run: trace once, then run with each batch.

    Args:
        model: Functional model on flat lists of inputs and outputs.
        signature: Its names, shapes and dtypes, in the model's order.

    Returns:
        A function of one array per input, in that order. It returns one array per output that a softmax produces,
        under the output's name.
    """
    placeholders = with_placeholder_names(signature)
    serve, specs = serving_function(model, placeholders)
    frozen = freeze(serve.get_concrete_function(*specs))
    names = list(zip(placeholders.outputs, signature.outputs, strict=True))

    def run(arrays: Sequence[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        values = frozen.run_before_softmax(
            {spec.name: tf.constant(array, spec.dtype) for spec, array in zip(specs, arrays, strict=True)}
        )
        return {true.name: values[spec.name] for spec, true in names if spec.name in values}

    return run


def _specs(names: list[str], tensors: list[keras.KerasTensor]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name, tuple(tensor.shape), str(tensor.dtype))
        for name, tensor in zip(names, tensors, strict=True)
    )
