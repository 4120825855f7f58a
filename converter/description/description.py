"""What a model file holds and what will be done with it, found without running any of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from converter.activations import Activation
from converter.archive import Archive
from converter.basis import Basis
from converter.description import keras_2
from converter.description.activation_reader import Found, from_statement
from converter.description.inline import inline
from converter.description.input_shape import InputShapes
from converter.description.layer_reader import LayerReader
from converter.description.model_reader import ModelReader
from converter.description.weight_shapes import require_fitting_weights
from converter.errors import UnsafeFileError, UsageError
from converter.graph import Graph
from converter.signature import TensorSpec


@dataclass(frozen=True)
class Finding:
    """One activation in the model.

    Attributes:
        layer: Where it stands.
        activation: What it computes.
        why: How that is known.
        basis: The same as a word.
    """

    layer: str
    activation: Activation
    why: str
    basis: Basis

    def to_json(self) -> dict[str, Any]:
        """Plain values for the manifest and ``--json``."""
        return {
            "layer": self.layer,
            "activation": self.activation.key,
            "parameters": self.activation.arguments(),
            "formula": self.activation.formula,
            "known_by": self.why,
            "basis": self.basis.value,
        }


@dataclass(frozen=True)
class Description:
    """A model file, understood.

    Attributes:
        graph: The model.
        findings: Our activations in it.
        inputs: Names, shapes and dtypes of the inputs, in order.
    """

    graph: Graph
    findings: tuple[Finding, ...]
    inputs: tuple[TensorSpec, ...]

    @property
    def parameters(self) -> int:
        """How many numbers the layers store."""
        return sum(weight.size for layer in self.graph.layers.values() for weight in layer.weights.values())

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "name": self.graph.name,
            "layers": len(self.graph.layers),
            "parameters": self.parameters,
            "inputs": [{"name": i.name, "shape": list(i.shape), "dtype": i.dtype} for i in self.inputs],
            "outputs": [name for name, _ in self.graph.outputs],
            "activations": [finding.to_json() for finding in self.findings],
        }


def describe(archive: Archive, stated: Mapping[str, str], shapes: InputShapes) -> Description:
    """Understand an open model file.

    Args:
        archive: The file.
        stated: What ``--activation`` says, as text, by layer name.
        shapes: What ``--input-shape`` and ``--batch`` say.

    Raises:
        UsageError: A stated layer does not exist, or a statement is malformed.
        UnsafeFileError: The description is damaged or unsafe.
        UnsupportedError: Something in the model is not known.
    """
    statements: dict[str, Found] = {layer: from_statement(text) for layer, text in stated.items()}
    older = archive.keras_version.startswith(("1.", "2."))
    layers = LayerReader(statements, keras_2=older)
    reader = ModelReader(layers, shapes)
    graph = inline(reader.read(archive.config, archive.weights))
    if older:
        graph = keras_2.with_masks_of_keras_2(graph)
    unowned = next(archive.weights.left(), None)
    if unowned is not None:
        raise UnsafeFileError("is a weight that no layer owns", where=f"{archive.path.name}: {unowned}")
    require_fitting_weights(graph)
    for name in stated:
        if name not in layers.used:
            raise UsageError(f"--activation names the layer '{name}', which is not in {archive.path.name}")
    findings = tuple(
        Finding(layer, found.activation, found.why, found.basis) for layer, found in reader.found
    )
    return Description(graph, findings, tuple(_spec(graph, name, ref.layer) for name, ref in graph.inputs))


def _spec(graph: Graph, name: str, layer: str) -> TensorSpec:
    config = graph.layers[layer].config
    return TensorSpec(name, tuple(config["batch_shape"]), config["dtype"])
