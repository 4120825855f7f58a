"""Reads a Sequential or functional model, nested ones included, into blocks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from converter.archive import Weight, WeightScope
from converter.description import keras_2
from converter.description.block import Block, in_order, numbered_as_taken
from converter.description.calls import read_calls
from converter.description.input_shape import InputShapes, input_layer, missing_input
from converter.description.layer_context import is_random_state
from converter.description.layer_entry import entry_class, entry_config
from converter.description.layer_names import generated_name, layer_name_in_model, storage_class_name
from converter.description.layer_reader import LayerReader
from converter.description.operations import is_operation, read_operation
from converter.description.recognition import Recognition
from converter.description.shared_layers import SharedLayers
from converter.description.stored_text import weights_text
from converter.description.supported_layers import MODELS
from converter.description.tensor_references import Outputs, read_tensors
from converter.description.unsafe_references import refuse_unsafe_references
from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Call, Graph, Layer, Ref

_MAX_DEPTH = 30


@dataclass
class ModelReader:
    """Reads models into blocks, and collects the activations that are recognised.

    Attributes:
        layers: Reads single layers.
        shapes: Input shapes from the command line.
        recognitions: The activations that were recognised, each with the layer's name.
    """

    layers: LayerReader
    shapes: InputShapes
    recognitions: list[tuple[str, Recognition]] = field(default_factory=list, init=False)
    _shared: SharedLayers = field(default_factory=SharedLayers, init=False)
    _stored: dict[str, Mapping[str, Weight]] = field(default_factory=dict, init=False)

    def read(self, entry: Mapping[str, Any], weights: WeightScope, prefix: str = "") -> Block:
        """Read one model.

        Raises:
            UnsafeFileError: The description is malformed or unsafe.
            UnsupportedError: It contains a layer that is not supported, or is a subclassed model.
        """
        where = f"model '{prefix.rstrip('/') or entry_class(entry, 'model')}'"
        if prefix.count("/") > _MAX_DEPTH:
            raise UnsafeFileError(f"models are nested deeper than {_MAX_DEPTH}", where=where)
        kind = entry_class(entry, where)
        config: object = entry.get("config")
        if isinstance(config, list):  # Keras 2.0 stored a Sequential as a list
            config = {"layers": config}
        if (
            kind not in MODELS
            or not isinstance(config, Mapping)
            or not isinstance(config.get("layers"), list)
        ):
            raise UnsupportedError(
                f"is of class '{kind}', a subclassed model: only its code says how its layers are connected",
                where=where,
                hint="Rebuild it as a functional or Sequential model with the same weights, and save that.",
            )
        name = str(config.get("name") or kind.lower())
        if kind == "Sequential":
            return self._sequential(name, entry, config, weights, prefix)
        return self._functional(name, config, weights, prefix, where)

    def _functional(
        self, name: str, config: Mapping[str, Any], weights: WeightScope, prefix: str, where: str
    ) -> Block:
        layers: dict[str, Layer | Block] = {}
        calls: list[Call] = []
        for entry in config["layers"]:
            local = layer_name_in_model(entry, where)
            if local in layers:
                raise UnsafeFileError(f"has two layers named '{local}'", where=where)
            if keras_2.is_node(entry_class(entry, where)):
                for inner, layer, call in keras_2.read_node(entry, local, prefix):
                    if layers.setdefault(inner, layer) != layer:
                        raise UnsafeFileError(f"has two layers named '{inner}'", where=where)
                    calls.append(call)
                continue
            if is_operation(entry):
                layers[local] = read_operation(entry, prefix + local)
            else:
                layers[local] = self._layer(entry, local, weights, prefix)
            if entry["class_name"] != "InputLayer":
                calls += read_calls(entry, local)
        inputs = read_tensors(config.get("input_layers"), where)
        outputs = read_tensors(config.get("output_layers"), where)
        _check_inputs(inputs, layers, where)
        calls = keras_2.without_unused_sizes(layers, calls, [ref for _, ref in outputs], prefix)
        calls = numbered_as_taken(calls, {key for key in layers if isinstance(layers[key], Block)}, outputs)
        return Block(name, layers, in_order(calls, inputs, where), inputs, outputs)

    def _sequential(
        self,
        name: str,
        entry: Mapping[str, Any],
        config: Mapping[str, Any],
        weights: WeightScope,
        prefix: str,
    ) -> Block:
        where = f"model '{name}'"
        layers: dict[str, Layer | Block] = {}
        for item in config["layers"]:
            local = generated_name(item, layers) or layer_name_in_model(item, where)
            if local in layers:
                raise UnsafeFileError(f"has two layers named '{local}'", where=where)
            layers[local] = self._layer(item, local, weights, prefix)
        if not layers:
            raise UnsupportedError("has no layers", where=where)
        first = next(iter(layers.values()))
        if not (isinstance(first, Layer) and first.kind == "InputLayer"):
            made = missing_input(entry, config, first, self.shapes, nested=bool(prefix))
            while made.name in layers:
                made = made.but(name=f"{made.name}_1")
            layers = {made.name: made, **layers}
        names = list(layers)
        calls = tuple(Call(after, 0, (Ref(before),)) for before, after in pairwise(names))
        return Block(name, layers, calls, [(None, Ref(names[0]))], [(None, Ref(names[-1]))])

    def _layer(
        self, entry: Mapping[str, Any], local: str, weights: WeightScope, prefix: str
    ) -> "Layer | Block":
        name = prefix + local
        refuse_unsafe_references(entry, f"layer '{name}'")
        scope = weights.enter(storage_class_name(entry, name), local)
        if "shared_object_id" in entry and scope.is_empty():
            shared = self._shared.find(entry, f"layer '{name}'")
            if shared is not None:
                return shared
        made = self._new_layer(entry, name, scope, prefix)
        self._shared.add(entry, made)
        return made

    def _new_layer(
        self, entry: Mapping[str, Any], name: str, scope: WeightScope, prefix: str
    ) -> "Layer | Block":
        if entry["class_name"] in MODELS and "layers" in (entry.get("config") or {}):
            return self.read(entry, scope, f"{name}/")
        if entry["class_name"] == "InputLayer":
            config = entry_config(entry, f"layer '{name}'")
            return input_layer(name, config, self.shapes, nested=bool(prefix))
        self._stored[name] = scope.claim()
        layer, found = self.layers.read(entry, name, self._stored[name])
        self.recognitions += [(name, item) for item in found]
        return layer

    def require_called(self, graph: Graph) -> None:
        """Check that every layer that stores weights is in the graph.

        Raises:
            UnsupportedError: Nothing in the model calls such a layer.
        """
        for name, stored in self._stored.items():
            learned = [weight for path, weight in stored.items() if not is_random_state(path)]
            if learned and name not in graph.layers:
                raise UnsupportedError(
                    f"stores {weights_text(learned)}, and nothing in the model calls it",
                    where=f"layer '{name}'",
                )


def _check_inputs(inputs: Outputs, layers: Mapping[str, "Layer | Block"], where: str) -> None:
    for _, ref in inputs:
        layer = layers.get(ref.layer)
        if not (isinstance(layer, Layer) and layer.kind == "InputLayer"):
            raise UnsafeFileError(f"names '{ref.layer}' as an input, which is no InputLayer", where=where)
