"""Reads a Sequential or functional model, nested ones included, into blocks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from converter.archive import WeightScope
from converter.description.activation_reader import Found
from converter.description.block import Block, Outputs, in_order, read_calls, tensors
from converter.description.input_shape import InputShapes, input_layer, missing_input
from converter.description.kinds import MODELS
from converter.description.layer_reader import entry_class, entry_config, read_layer
from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Call, Layer, Ref

_MAX_DEPTH = 30


@dataclass
class ModelReader:
    """Reads blocks and collects what was found on the way.

    Attributes:
        stated: Activations stated on the command line, by layer name.
        shapes: Input shapes stated on the command line.
        found: Activations found, as (layer, what).
        used: Which of the stated names were met.
    """

    stated: Mapping[str, Found]
    shapes: InputShapes
    found: list[tuple[str, Found]] = field(default_factory=list, init=False)
    used: set[str] = field(default_factory=set, init=False)

    def read(self, entry: Mapping[str, Any], weights: WeightScope, prefix: str = "") -> Block:
        """Read one model.

        Raises:
            UnsafeFileError: The description is malformed or unsafe.
            UnsupportedError: It holds a layer that is not known, or is a subclassed model.
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
            local = _local_name(entry, where)
            if local in layers:
                raise UnsafeFileError(f"has two layers named '{local}'", where=where)
            layers[local] = self._layer(entry, local, weights, prefix)
            calls += read_calls(entry, local) if entry["class_name"] != "InputLayer" else []
        inputs = tensors(config.get("input_layers"), where)
        outputs = tensors(config.get("output_layers"), where)
        _check_inputs(inputs, layers, where)
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
            local = _local_name(item, where)
            if local in layers:
                raise UnsafeFileError(f"has two layers named '{local}'", where=where)
            layers[local] = self._layer(item, local, weights, prefix)
        if not layers:
            raise UnsupportedError("has no layers", where=where)
        first = next(iter(layers.values()))
        if not (isinstance(first, Layer) and first.kind == "InputLayer"):
            made = missing_input(entry, config, first, self.shapes, nested=bool(prefix))
            layers = {made.name: made, **layers}
        names = list(layers)
        calls = tuple(Call(after, 0, (Ref(before),)) for before, after in pairwise(names))
        return Block(name, layers, calls, [(None, Ref(names[0]))], [(None, Ref(names[-1]))])

    def _layer(
        self, entry: Mapping[str, Any], local: str, weights: WeightScope, prefix: str
    ) -> "Layer | Block":
        name = prefix + local
        scope = weights.enter(entry_class(entry, f"layer '{name}'"), local)
        if entry["class_name"] in MODELS and "layers" in (entry.get("config") or {}):
            return self.read(entry, scope, f"{name}/")
        if entry["class_name"] == "InputLayer":
            config = entry_config(entry, f"layer '{name}'")
            return input_layer(name, config, self.shapes, nested=bool(prefix))
        stated = self.stated.get(name)
        if stated:
            self.used.add(name)
        layer, found = read_layer(entry, name, scope.own(), stated)
        self.found += [(name, item) for item in found]
        return layer


def _local_name(entry: object, where: str) -> str:
    """A layer's name: Keras 3 repeats it beside the config, older files have it only there."""
    if not isinstance(entry, Mapping):
        raise UnsafeFileError("has a layer that is not an object", where=where)
    config = entry.get("config")
    name = entry.get("name") or (config.get("name") if isinstance(config, Mapping) else None)
    if not isinstance(name, str) or not name or len(name) > 1000:
        raise UnsafeFileError("has a layer without a name", where=where)
    return name


def _check_inputs(inputs: Outputs, layers: Mapping[str, "Layer | Block"], where: str) -> None:
    for _, ref in inputs:
        layer = layers.get(ref.layer)
        if not (isinstance(layer, Layer) and layer.kind == "InputLayer"):
            raise UnsafeFileError(f"names '{ref.layer}' as an input, which is no InputLayer", where=where)
