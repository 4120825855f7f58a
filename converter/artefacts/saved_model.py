"""Opens, checks and runs a SavedModel in TensorFlow."""

import json
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from converter.artefacts.contract import Arrays, in_order
from converter.artefacts.frozen_graph import FrozenGraph, freeze
from converter.errors import UnsupportedError
from converter.exporters.contract import PROVENANCE_KEY
from converter.signature import TensorSpec

SIGNATURE_KEY = "serving_default"
_NOISE = frozenset({"Placeholder", "Const", "ReadVariableOp", "NoOp", "Identity", "StatefulPartitionedCall"})


class SavedModelArtefact:
    """See ``contract.Artefact``. A SavedModel has no order of inputs and outputs: they are sorted by name.

    Args:
        path: The folder.

    Raises:
        UnsupportedError: TensorFlow cannot load it, or it lacks the signature ``serving_default``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._loaded = tf.saved_model.load(str(path))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise UnsupportedError("TensorFlow cannot load this folder", where=path.name) from error
        if SIGNATURE_KEY not in self._loaded.signatures:
            raise UnsupportedError(f"the SavedModel has no signature {SIGNATURE_KEY!r}", where=path.name)
        self._signature = self._loaded.signatures[SIGNATURE_KEY]

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs of the signature, sorted by name."""
        return _specs(self._signature.structured_input_signature[1])

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs of the signature, sorted by name."""
        return _specs(self._signature.structured_outputs)

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Call the signature."""
        results = self._signature(**self._tensors(inputs))
        return {spec.name: results[spec.name].numpy() for spec in self.outputs}

    def run_before_softmax(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute the inputs of final Softmax operations, with a function that ends there."""
        return self._frozen.run_before_softmax(self._tensors(inputs))

    def operators(self) -> Counter[str]:
        """How often each operation occurs, bodies of loops included, constants and the like left out."""
        graph = self._frozen.concrete.graph.as_graph_def()
        functions = {function.signature.name: function.node_def for function in graph.library.function}
        counts: Counter[str] = Counter()
        seen: set[str] = set()
        called = [graph.node]
        while called:
            for node in called.pop():
                counts[node.op] += node.op not in _NOISE
                new = {attr.func.name for attr in node.attr.values() if attr.HasField("func")} - seen
                seen |= new
                called.extend(functions[name] for name in sorted(new))
        return +counts

    def check(self) -> None:
        """Nothing is left to check: the folder loaded and has its signature."""

    def provenance(self) -> dict[str, Any]:
        """Read the file in ``assets.extra``."""
        file = self._path / "assets.extra" / f"{PROVENANCE_KEY}.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}

    @cached_property
    def _frozen(self) -> FrozenGraph:
        return freeze(self._signature)

    def _tensors(self, inputs: Arrays) -> dict[str, tf.Tensor]:
        arrays = in_order(inputs, self.inputs)
        return {spec.name: tf.constant(arrays[spec.name], spec.dtype) for spec in self.inputs}


def _specs(specs: dict[str, tf.TensorSpec]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name, tuple(specs[name].shape), specs[name].dtype.name) for name in sorted(specs))
