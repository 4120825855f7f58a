"""Reads one layer's entry in a model file into a ``Layer`` of plain values."""

import math
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
from converter.description.argument_reader import from_argument
from converter.description.assumed_built_ins import TakenName
from converter.description.class_reader import require_not_keras
from converter.description.custom_layer import left_to_code, read_users_layer, stops_mask
from converter.description.dtype_policies import read_policy
from converter.description.layer_context import Place, require_all_used
from converter.description.layer_entry import built_shape, entry_class, entry_config, is_built_in
from converter.description.layer_keys import TRAINING_SUFFIXES, plain_array
from converter.description.legacy_options import modern
from converter.description.recognition import Found
from converter.description.serialized_object import original
from converter.description.stated_activation import Statement
from converter.description.supported_layers import (
    ACTIVATION_ARGUMENTS,
    AS_ACTIVATION,
    BUILT_IN_FUNCTIONS,
    CELLS,
    IDENTITY_AT_INFERENCE,
    KINDS,
    MODELS,
    NEEDED_PARTS,
    PARTS,
)
from converter.description.weight_paths import by_path
from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Layer, Original
from converter.user_code import USERS_CODE, UsersCode

# Only training needs these, or we set them ourselves.
_DROPPED = frozenset(
    {
        "name", "trainable", "dtype", "batch_input_shape", "input_dtype", "activity_regularizer",
        "quantization_config", "lora_rank", "lora_alpha", "seed", "gamma_quantizer", "synchronized",
    }
)  # fmt: skip
_CELL_INSIDE = frozenset({"LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
_MAX_PARTS = 20


@dataclass
class LayerReader:
    """Reads layers and the layers that they wrap.

    Attributes:
        stated: What ``--activation`` says, by layer name.
        keras_2: Keras 2 wrote the file.
        own_code: The user gives the code of what is not known here.
        used: Which of the stated names were met.
        taken: The functions that were taken as Keras's own by their names.
    """

    stated: Mapping[str, Statement]
    keras_2: bool
    own_code: bool = False
    used: set[str] = field(default_factory=set, init=False)
    taken: list[TakenName] = field(default_factory=list, init=False)

    def read(
        self, entry: Mapping[str, Any], name: str, weights: Mapping[str, Weight]
    ) -> tuple[Layer, list[Found]]:
        """Read one layer that is not a model.

        Args:
            entry: The layer's object in the file: class_name, config, module, registered_name.
            name: Its name in the graph.
            weights: What is stored for it, by path or by position.

        Returns:
            The layer, and the activations found in it.

        Raises:
            UnsafeFileError: It names something that loads or runs things, or its entry is malformed.
            UnsupportedError: It is not known, has an option that is not, or stores a weight that nothing
                would use.
        """
        where = f"layer '{name}'"
        paths = by_path(entry_class(entry, where), entry_config(entry, where), weights, where)
        place = Place((name,), "", dict(paths), [], [])
        layer = self._read(entry, place)
        used = [
            *place.weights.values(),
            *place.used,
            *(each for found in place.found for each in found.learned),
        ]
        require_all_used(paths, used, where)
        if name in self.stated and not place.found:
            raise UnsupportedError(f"is a {layer.kind}, which takes no activation to state", where=where)
        return layer.but(weights=place.weights), place.found

    def _read(self, entry: Mapping[str, Any], place: Place) -> Layer:
        class_name, config = entry_class(entry, place.where), entry_config(entry, place.where)
        policy = read_policy(config.get("dtype"), place.where)
        if is_application_layer(class_name, entry):
            own = place.take()
            place.used.extend(() if class_name == "StochasticDepth" else own.values())
            return read_application_layer(class_name, place.name, policy, own)
        allowed = KINDS | IDENTITY_AT_INFERENCE | (CELLS if len(place.names) > 1 else frozenset())
        if class_name not in allowed or not is_built_in(entry):
            return self._not_built_in(entry, policy, place)
        if class_name in IDENTITY_AT_INFERENCE:
            place.take()
            return Layer(place.name, "Rescaling", {"scale": 1.0, "offset": 0.0}, policy)
        layer = self._built_in(class_name, modern(class_name, config, place.where), policy, place)
        if "module" in entry:
            return layer
        # The legacy format does not say whether a class is Keras's or the user's.
        return layer.but(originals={**layer.originals, "": Original(class_name, config)})

    def _not_built_in(self, entry: Mapping[str, Any], policy: str, place: Place) -> Layer:
        """A Lambda or a user's class; a layer of Keras's own that is not on the allowlist is refused."""
        if entry_class(entry, place.where) != "Lambda":
            require_not_keras(entry, place.where)
        own = place.take()
        stated = self._stated(place.names)
        if stated is not None:
            found = stated.found(_numbers(entry, place.where), own, built_shape(entry), place.where)
        else:
            found = self._users_layer(entry, own, place)
        place.found.append(found)
        if isinstance(found.activation, UsersCode) and entry_class(entry, place.where) != "Lambda":
            place.put_back(own)
            return Layer(place.name, USERS_CODE, {"code": found.activation}, policy)
        return holding(found, entry, own, place.name, policy).but(stops_mask=stops_mask(entry))

    def _users_layer(self, entry: Mapping[str, Any], own: Mapping[str, Weight], place: Place) -> Found:
        try:
            return read_users_layer(entry, own, place.where, keras_2=self.keras_2)
        except UnsupportedError as refusal:
            return self._left_to_code(entry, own, refusal)

    def _users_argument(self, value: object, own: Mapping[str, Weight], where: str) -> Found | str:
        try:
            return from_argument(value, own, where, keras_2=self.keras_2)
        except UnsupportedError as refusal:
            return self._left_to_code(value, own, refusal)

    def _left_to_code(self, value: object, own: Mapping[str, Weight], refusal: UnsupportedError) -> Found:
        """Leave to the user's code what cannot be known without it, or refuse it."""
        written = original(value, own)
        if not self.own_code or written is None:
            raise refusal
        return left_to_code(value, written, refusal)

    def _built_in(self, kind: str, config: Mapping[str, Any], policy: str, place: Place) -> Layer:
        kept: dict[str, Any] = {}
        activations: dict[str, Activation] = {}
        originals: dict[str, Original] = {}
        for key, value in config.items():
            if key in ACTIVATION_ARGUMENTS:
                read = self._argument(kind, key, value, policy, place)
                if is_function(read, policy):
                    rename(read.config, key, kept)
                    rename(read.activations, key, activations)
                    rename(read.originals, key, originals)
                else:
                    require_fit_for_cell(read, policy, kind, place.where)
                    kept[key] = read
            elif key in PARTS and value is not None:
                kept[key] = self._parts(kind, key, value, place)
            elif key not in _DROPPED and not key.endswith(TRAINING_SUFFIXES):
                kept[key] = _plain(plain_array(value), key, place.where)
        needed = NEEDED_PARTS.get(kind)
        if needed is not None and needed not in kept:
            raise UnsafeFileError(f"has no '{needed}'", where=place.where)
        return Layer(place.name, kind, kept, policy, {}, activations, originals)

    @staticmethod
    def _own_weights(kind: str, key: str, place: Place) -> dict[str, Weight]:
        """What is stored for a layer that stands as an argument."""
        weights = place.take(f"{key}/")
        if kind in _CELL_INSIDE:  # such a layer shows its cell's functions as its own
            weights |= place.take(f"cell/{key}/")
        return weights

    def _argument(self, kind: str, key: str, value: object, policy: str, place: Place) -> Layer:
        """An ``activation=`` argument as the layer that would do the same."""
        suffix = "" if key == "activation" else f"/{key}"
        where = f"layer '{place.name}{suffix}'"
        entry = value if isinstance(value, Mapping) else {}
        stated = self._stated(place.names, suffix)
        if str(entry.get("class_name")) in AS_ACTIVATION and is_built_in(entry):
            if stated is not None:
                raise UnsupportedError(
                    f"its activation is a {entry['class_name']}, one of Keras's own, so nothing can be stated of it",
                    where=where,
                )
            return self._part(entry, key, key, place)
        written = entry.get("config")
        config = written if isinstance(written, Mapping) else {}
        own = self._own_weights(kind, key, place)
        if stated is None:
            found = self._users_argument(value, own, where)
            name = function_name(value)
            if name in BUILT_IN_FUNCTIONS and name != "linear":
                self.taken.append(TakenName(place.name, key, name))
        else:
            found = stated.found(config, own, built_shape(entry), where)
        dtype = read_policy(config["dtype"], where) if "dtype" in config else policy
        if isinstance(found, str):
            return Layer(place.name, "Activation", {"activation": found}, dtype)
        place.found.append(found)
        return holding(found, value, own, f"{place.name}/{key}", dtype)

    def _parts(self, kind: str, key: str, value: object, place: Place) -> Layer | list[Layer]:
        listed = isinstance(value, list)
        if (key == "cells" and not listed) or (key not in {"cell", "cells"} and listed):
            raise UnsafeFileError(f"its '{key}' is {'' if listed else 'not '}a list", where=place.where)
        if not isinstance(value, list):
            path = "forward_layer" if kind == "Bidirectional" and key == "layer" else key
            return self._part(value, key, path, place)
        seen: Counter[str] = Counter()
        made = []
        for item in value:
            name = snake_case(entry_class(item if isinstance(item, Mapping) else {}, place.where))
            number = f"_{seen[name]}" if seen[name] else ""
            seen[name] += 1
            made.append(self._part(item, name, f"{key}/{name}{number}", place))
        return made

    def _part(self, entry: object, key: str, path: str, place: Place) -> Layer:
        if not isinstance(entry, Mapping):
            raise UnsafeFileError(f"its '{key}' is not an object", where=place.where)
        if len(place.names) > _MAX_PARTS:
            raise UnsafeFileError(f"wraps layers deeper than {_MAX_PARTS}", where=place.where)
        if entry_class(entry, place.where) in MODELS:
            raise UnsupportedError(
                "wraps a whole model, which is not supported",
                where=place.where,
                hint="Wrap each of the model's layers instead, and save that with the same weights.",
            )
        name = entry_config(entry, place.where).get("name")
        return self._read(entry, place.inside(name if isinstance(name, str) else key, path))

    def _stated(self, names: tuple[str, ...], suffix: str = "") -> Statement | None:
        """What is stated for a part, or for a layer that wraps it."""
        for length in range(len(names), 0, -1):
            name = "/".join(names[:length]) + suffix
            if name in self.stated:
                self.used.add(name)
                return self.stated[name]
        return None


def _numbers(entry: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The options among which a layer's numbers stand: a Lambda's are the arguments of its function."""
    config = entry_config(entry, where)
    arguments = config.get("arguments") if entry_class(entry, where) == "Lambda" else None
    return arguments if isinstance(arguments, Mapping) else config


def _plain(value: object, key: str, where: str) -> Any:  # noqa: ANN401  JSON
    """A value without objects: scalars, and lists of them."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UnsafeFileError(f"option '{key}' must be a finite number, not {value}", where=where)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, key, where) for item in value]
    raise UnsupportedError(f"option '{key}' holds an object, which is not known", where=where)
