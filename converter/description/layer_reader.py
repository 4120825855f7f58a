"""Reads the entry of one layer in a model file into a ``Layer``."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from converter.activations import Activation
from converter.archive import Weight
from converter.archive.weight_scope import snake_case
from converter.description.activation_layer import holding, is_function, rename, require_fit_for_cell
from converter.description.activation_reader import function_name
from converter.description.application_layers import is_application_layer, read_application_layer
from converter.description.assumed_built_ins import AssumedBuiltIn
from converter.description.class_reader import require_not_keras
from converter.description.custom_layer import stops_mask
from converter.description.custom_object_reader import CustomObjectReader
from converter.description.dtype_policies import read_policy
from converter.description.layer_context import LayerContext, require_all_used
from converter.description.layer_entry import built_shape, entry_class, entry_config, is_built_in
from converter.description.legacy_options import current_options
from converter.description.option_values import is_relevant, plain_value
from converter.description.recognition import Recognition
from converter.description.stated_activation import StatedActivation
from converter.description.supported_layers import (
    ACTIVATION_ARGUMENTS,
    AS_ACTIVATION,
    BUILT_IN_FUNCTIONS,
    CELLS,
    IDENTITY_AT_INFERENCE,
    MODELS,
    NEEDED_PARTS,
    PARTS,
    SUPPORTED_LAYERS,
)
from converter.description.weight_paths import by_path
from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Layer, SerializedObject
from converter.user_code import USER_CODE, UserCode

_CELL_INSIDE = frozenset({"LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
_MAX_PARTS = 20


@dataclass
class LayerReader:
    """Reads layers and the layers that they wrap.

    Attributes:
        stated: The values of ``--activation``, by layer name.
        keras_2: Keras 2 wrote the file.
        own_code: The user gives the code of unknown classes and functions.
        used: The stated names for which a layer has been read.
        assumed_built_ins: Functions that are assumed to be Keras's own because of their names.
    """

    stated: Mapping[str, StatedActivation]
    keras_2: bool
    own_code: bool = False
    used: set[str] = field(default_factory=set, init=False)
    assumed_built_ins: list[AssumedBuiltIn] = field(default_factory=list, init=False)

    @property
    def _custom(self) -> CustomObjectReader:
        return CustomObjectReader(keras_2=self.keras_2, own_code=self.own_code)

    def read(
        self, entry: Mapping[str, Any], name: str, weights: Mapping[str, Weight]
    ) -> tuple[Layer, list[Recognition]]:
        """Read one layer that is not a model.

        Args:
            entry: The layer's object in the file: class_name, config, module, registered_name.
            name: Its name in the graph.
            weights: Its stored weights, by path or by position.

        Returns:
            The layer, and the activations that were recognised in it.

        Raises:
            UnsafeFileError: Its entry is malformed or unsafe.
            UnsupportedError: The layer or one of its options is not supported, or it stores a weight that the
                graph would not use.
        """
        where = f"layer '{name}'"
        paths = by_path(entry_class(entry, where), entry_config(entry, where), weights, where)
        context = LayerContext((name,), "", dict(paths), [], [])
        layer = self._read(entry, context)
        used = [
            *context.weights.values(),
            *context.consumed,
            *(each for found in context.recognitions for each in found.learned),
        ]
        require_all_used(paths, used, where)
        if name in self.stated and not context.recognitions:
            raise UnsupportedError(f"is a {layer.kind}, which takes no activation to state", where=where)
        return layer.but(weights=context.weights), context.recognitions

    def _read(self, entry: Mapping[str, Any], context: LayerContext) -> Layer:
        class_name, config = entry_class(entry, context.where), entry_config(entry, context.where)
        policy = read_policy(config.get("dtype"), context.where)
        if is_application_layer(class_name, entry):
            own = context.pop_weights()
            context.consumed.extend(() if class_name == "StochasticDepth" else own.values())
            return read_application_layer(class_name, context.name, policy, own)
        allowed = (
            SUPPORTED_LAYERS | IDENTITY_AT_INFERENCE | (CELLS if len(context.names) > 1 else frozenset())
        )
        if class_name not in allowed or not is_built_in(entry):
            return self._not_built_in(entry, policy, context)
        if class_name in IDENTITY_AT_INFERENCE:
            context.pop_weights()
            return Layer(context.name, "Rescaling", {"scale": 1.0, "offset": 0.0}, policy)
        layer = self._built_in(
            class_name, current_options(class_name, config, context.where), policy, context
        )
        if "module" in entry:
            return layer
        # The legacy format does not say whether a class is Keras's or the user's.
        return layer.but(
            serialized_objects={**layer.serialized_objects, "": SerializedObject(class_name, config)}
        )

    def _not_built_in(self, entry: Mapping[str, Any], policy: str, context: LayerContext) -> Layer:
        """Read a Lambda or a custom layer; a layer of Keras's own that is not on the allowlist is refused."""
        if entry_class(entry, context.where) != "Lambda":
            require_not_keras(entry, context.where)
        own = context.pop_weights()
        stated = self._stated(context.names)
        if stated is not None:
            found = stated.recognise(_numbers(entry, context.where), own, built_shape(entry), context.where)
        else:
            found = self._custom.layer(entry, own, context.where)
        context.recognitions.append(found)
        if isinstance(found.activation, UserCode) and entry_class(entry, context.where) != "Lambda":
            context.restore_weights(own)
            return Layer(context.name, USER_CODE, {"code": found.activation}, policy)
        return holding(found, entry, own, context.name, policy).but(stops_mask=stops_mask(entry))

    def _built_in(self, kind: str, config: Mapping[str, Any], policy: str, context: LayerContext) -> Layer:
        kept: dict[str, Any] = {}
        activations: dict[str, Activation] = {}
        serialized_objects: dict[str, SerializedObject] = {}
        for key, value in config.items():
            if key in ACTIVATION_ARGUMENTS:
                read = self._argument(kind, key, value, policy, context)
                if is_function(read, policy):
                    rename(read.config, key, kept)
                    rename(read.activations, key, activations)
                    rename(read.serialized_objects, key, serialized_objects)
                else:
                    require_fit_for_cell(read, policy, kind, context.where)
                    kept[key] = read
            elif key in PARTS and value is not None:
                kept[key] = self._parts(kind, key, value, context)
            elif is_relevant(key):
                kept[key] = plain_value(value, key, context.where)
        needed = NEEDED_PARTS.get(kind)
        if needed is not None and needed not in kept:
            raise UnsafeFileError(f"has no '{needed}'", where=context.where)
        return Layer(context.name, kind, kept, policy, {}, activations, serialized_objects)

    @staticmethod
    def _own_weights(kind: str, key: str, context: LayerContext) -> dict[str, Weight]:
        """Take the weights of a layer that is the argument of another layer."""
        weights = context.pop_weights(f"{key}/")
        if kind in _CELL_INSIDE:  # such a layer has its cell's functions among its own options
            weights |= context.pop_weights(f"cell/{key}/")
        return weights

    def _argument(self, kind: str, key: str, value: object, policy: str, context: LayerContext) -> Layer:
        """Read an ``activation=`` argument as a layer that computes the same."""
        suffix = "" if key == "activation" else f"/{key}"
        where = f"layer '{context.name}{suffix}'"
        entry = value if isinstance(value, Mapping) else {}
        stated = self._stated(context.names, suffix)
        if str(entry.get("class_name")) in AS_ACTIVATION and is_built_in(entry):
            if stated is not None:
                raise UnsupportedError(
                    f"its activation is a {entry['class_name']}, one of Keras's own, so nothing can be stated of it",
                    where=where,
                )
            return self._part(entry, key, key, context)
        written = entry.get("config")
        config = written if isinstance(written, Mapping) else {}
        own = self._own_weights(kind, key, context)
        if stated is None:
            found = self._custom.argument(value, own, where)
            name = function_name(value)
            if name in BUILT_IN_FUNCTIONS and name != "linear":
                self.assumed_built_ins.append(AssumedBuiltIn(context.name, key, name))
        else:
            found = stated.recognise(config, own, built_shape(entry), where)
        dtype = read_policy(config["dtype"], where) if "dtype" in config else policy
        if isinstance(found, str):
            return Layer(context.name, "Activation", {"activation": found}, dtype)
        context.recognitions.append(found)
        return holding(found, value, own, f"{context.name}/{key}", dtype)

    def _parts(self, kind: str, key: str, value: object, context: LayerContext) -> Layer | list[Layer]:
        listed = isinstance(value, list)
        if (key == "cells" and not listed) or (key not in {"cell", "cells"} and listed):
            raise UnsafeFileError(f"its '{key}' is {'' if listed else 'not '}a list", where=context.where)
        if not isinstance(value, list):
            path = "forward_layer" if kind == "Bidirectional" and key == "layer" else key
            return self._part(value, key, path, context)
        seen: Counter[str] = Counter()
        made = []
        for item in value:
            name = snake_case(entry_class(item if isinstance(item, Mapping) else {}, context.where))
            number = f"_{seen[name]}" if seen[name] else ""
            seen[name] += 1
            made.append(self._part(item, name, f"{key}/{name}{number}", context))
        return made

    def _part(self, entry: object, key: str, path: str, context: LayerContext) -> Layer:
        if not isinstance(entry, Mapping):
            raise UnsafeFileError(f"its '{key}' is not an object", where=context.where)
        if len(context.names) > _MAX_PARTS:
            raise UnsafeFileError(f"wraps layers deeper than {_MAX_PARTS}", where=context.where)
        if entry_class(entry, context.where) in MODELS:
            raise UnsupportedError(
                "wraps a whole model, which is not supported",
                where=context.where,
                hint="Wrap each of the model's layers instead, and save that with the same weights.",
            )
        name = entry_config(entry, context.where).get("name")
        return self._read(entry, context.part(name if isinstance(name, str) else key, path))

    def _stated(self, names: tuple[str, ...], suffix: str = "") -> StatedActivation | None:
        """The activation that is stated for a part, or for a layer that wraps it."""
        for length in range(len(names), 0, -1):
            name = "/".join(names[:length]) + suffix
            if name in self.stated:
                self.used.add(name)
                return self.stated[name]
        return None


def _numbers(entry: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The options that hold a layer's parameters: for a Lambda, the arguments of its function."""
    config = entry_config(entry, where)
    arguments = config.get("arguments") if entry_class(entry, where) == "Lambda" else None
    return arguments if isinstance(arguments, Mapping) else config
