"""Describes an open model file: its graph, its inputs and the activations in it, without running any of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from converter.activations import Activation
from converter.archive import Archive
from converter.basis import Basis
from converter.description import keras_2
from converter.description.assumed_built_ins import AssumedBuiltIn
from converter.description.inline import inline
from converter.description.input_shape import InputShapes
from converter.description.layer_reader import LayerReader
from converter.description.masks import reached_by_masks
from converter.description.model_reader import ModelReader
from converter.description.nested_activations import extract_nested_activations
from converter.description.recognition import BuiltInFunction, Recognition
from converter.description.stated_activation import StatedActivation
from converter.description.weight_shapes import require_fitting_weights
from converter.errors import UnsafeFileError, UsageError
from converter.graph import Graph
from converter.signature import TensorSpec


@dataclass(frozen=True)
class Finding:
    """One activation in the model.

    Attributes:
        layer: The layer's name.
        activation: The formula with its numbers.
        why: How the formula is known, as text.
        basis: How the formula is known, as a category.
        assumes_mask: A mask may reach the layer, and it is assumed that the layer ends it.
        unseen: Why recorded answers do not test it; empty if they do, or if there are none.
    """

    layer: str
    activation: Activation | BuiltInFunction
    why: str
    basis: Basis
    assumes_mask: bool = False
    unseen: str = ""

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON values for the manifest and ``--json``."""
        return {
            "layer": self.layer,
            "activation": self.activation.key,
            "parameters": self.activation.arguments(),
            "formula": self.activation.formula,
            "known_by": self.why,
            "basis": self.basis.value,
            **({"ends_mask": "assumed"} if self.assumes_mask else {}),
            **({"unseen": self.unseen} if self.unseen else {}),
        }


@dataclass(frozen=True)
class Description:
    """The contents of a model file.

    Attributes:
        graph: The model.
        findings: The activations that were recognised in it.
        inputs: Names, shapes and dtypes of the inputs, in order.
        assumed_built_ins: Functions that are assumed to be Keras's own because of their bare names.
    """

    graph: Graph
    findings: tuple[Finding, ...]
    inputs: tuple[TensorSpec, ...]
    assumed_built_ins: tuple[AssumedBuiltIn, ...] = ()

    @property
    def parameters(self) -> int:
        """The number of stored weight elements."""
        return sum(weight.size for layer in self.graph.layers.values() for weight in layer.weights.values())

    def to_json(self) -> dict[str, Any]:
        """The description as JSON values for ``--json``."""
        return {
            "name": self.graph.name,
            "layers": len(self.graph.layers),
            "parameters": self.parameters,
            "inputs": [{"name": i.name, "shape": list(i.shape), "dtype": i.dtype} for i in self.inputs],
            "outputs": [name for name, _ in self.graph.outputs],
            "activations": [finding.to_json() for finding in self.findings],
            "taken_as_keras": [each.to_json() for each in self.assumed_built_ins],
        }


def describe(
    archive: Archive, stated: Mapping[str, str], shapes: InputShapes, *, own_code: bool = False
) -> Description:
    """Read an open model file into a description.

    Args:
        archive: The file.
        stated: The values of ``--activation``, by layer name.
        shapes: The values of ``--input-shape`` and ``--batch``.
        own_code: Defer unknown classes and functions to the user's code (``--custom-objects``).

    Raises:
        UsageError: A stated layer or input does not exist, or the value of an option is malformed.
        UnsafeFileError: The description is damaged or unsafe.
        UnsupportedError: The model contains something that is not supported.
    """
    statements = {layer: StatedActivation.parse(text) for layer, text in stated.items()}
    older = archive.keras_version.startswith(("1.", "2."))
    layers = LayerReader(statements, keras_2=older, own_code=own_code)
    reader = ModelReader(layers, shapes)
    graph = inline(reader.read(archive.config, archive.weights))
    graph = extract_nested_activations(keras_2.with_masks_of_keras_2(graph) if older else graph)
    unowned = next(archive.weights.unclaimed(), None)
    if unowned is not None:
        raise UnsafeFileError("is a weight that no layer owns", where=f"{archive.path.name}: {unowned}")
    reader.require_called(graph)
    require_fitting_weights(graph)
    for name in stated:
        if name not in layers.used:
            raise UsageError(f"--activation names the layer '{name}', which is not in {archive.path.name}")
    _require_known_inputs(graph, shapes, archive.path.name)
    masked = reached_by_masks(graph)
    findings = tuple(_finding(graph, layer, found, masked) for layer, found in reader.recognitions)
    inputs = tuple(_spec(graph, name, ref.layer) for name, ref in graph.inputs)
    return Description(graph, findings, inputs, tuple(layers.assumed_built_ins))


def _require_known_inputs(graph: Graph, shapes: InputShapes, file: str) -> None:
    inputs = {ref.layer for _, ref in graph.inputs}
    for name in shapes.by_name:
        if name and name not in inputs:
            raise UsageError(
                f"--input-shape names the input '{name}', which is not in {file}",
                hint=f"It has: {', '.join(sorted(inputs))}.",
            )


def _finding(graph: Graph, layer: str, found: Recognition, masked: frozenset[str]) -> Finding:
    """Make a finding. Only the code of a class says whether it passes on a mask, so that is assumed too."""
    of_class = any(
        original.config is not None for original in graph.layers[layer].serialized_objects.values()
    )
    assumes = of_class and not found.basis.proves and graph.layers[layer].stops_mask and layer in masked
    why = f"{found.why}, and that it ends the mask that reaches it" if assumes else found.why
    return Finding(layer, found.activation, why, found.basis, assumes)


def _spec(graph: Graph, name: str, layer: str) -> TensorSpec:
    config = graph.layers[layer].config
    return TensorSpec(name, tuple(config["batch_shape"]), config["dtype"])
