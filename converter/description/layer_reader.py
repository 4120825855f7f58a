"""Reads one layer's entry in a model file into a ``Layer`` of plain values."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from converter.activations import Activation
from converter.archive import Weight
from converter.archive.scope import snake_case
from converter.basis import Basis
from converter.description.activation_reader import (
    Found,
    from_argument,
    from_class,
    from_lambda,
    say_activation,
)
from converter.description.application_layers import is_application_layer, read_application_layer
from converter.description.kinds import (
    ACTIVATION_ARGUMENTS,
    CELLS,
    IDENTITY_AT_INFERENCE,
    KINDS,
    MODELS,
    NEEDED_PARTS,
    PARTS,
    POLICIES,
)
from converter.description.layer_keys import TRAINING_SUFFIXES, plain_array
from converter.description.older_options import modern
from converter.description.original import original
from converter.description.weight_paths import by_path
from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Layer, Original
from converter.users_code import USERS_CODE, UsersCode

# Only training needs these, or we set them ourselves.
_DROPPED = frozenset(
    {
        "name", "trainable", "dtype", "batch_input_shape", "input_dtype", "activity_regularizer",
        "quantization_config", "lora_rank", "lora_alpha", "seed", "gamma_quantizer", "synchronized",
    }
)  # fmt: skip
_CELL_INSIDE = frozenset({"LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
_KERAS_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
_PUBLIC_NAMES = {"GroupedQueryAttention": "GroupQueryAttention"}  # the legacy format has the Python name
_MAX_PARTS = 20


@dataclass(frozen=True)
class _Place:
    """Where a layer or a part of one stands.

    Attributes:
        names: Of the layer in the graph, then of each part down to this one.
        prefix: Of this one's weights among those of the layer.
        weights: The layer's weights by path; those that become numbers of activations are taken out.
        found: The activations found in the layer so far.
    """

    names: tuple[str, ...]
    prefix: str
    weights: dict[str, Weight]
    found: list[Found]

    @property
    def name(self) -> str:
        """Such as ``bidirectional/forward_lstm``."""
        return "/".join(self.names)

    @property
    def where(self) -> str:
        """For error texts."""
        return f"layer '{self.name}'"

    def inside(self, name: str, path: str) -> "_Place":
        """The place of a part."""
        return _Place((*self.names, name), f"{self.prefix}{path}/", self.weights, self.found)

    def take(self, path: str = "") -> dict[str, Weight]:
        """Take out the weights below a path; they are returned by their paths below it."""
        start = f"{self.prefix}{path}"
        keys = [key for key in self.weights if key.startswith(start)]
        return {key.removeprefix(start): self.weights.pop(key) for key in keys}

    def put_back(self, weights: Mapping[str, Weight]) -> None:
        """Give back what was taken with an empty path."""
        self.weights.update({f"{self.prefix}{path}": weight for path, weight in weights.items()})


@dataclass
class LayerReader:
    """Reads layers and the layers that they wrap.

    Attributes:
        stated: What ``--activation`` says, by layer name.
        keras_2: Keras 2 wrote the file.
        own_code: The user gives the code of what is not known here.
        used: Which of the stated names were met.
    """

    stated: Mapping[str, Found]
    keras_2: bool
    own_code: bool = False
    used: set[str] = field(default_factory=set, init=False)

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
            UnsupportedError: It is not known, or has an option that is not.
        """
        where = f"layer '{name}'"
        paths = by_path(entry_class(entry, where), entry_config(entry, where), weights)
        place = _Place((name,), "", paths, [])
        layer = self._read(entry, place)
        if name in self.stated and not place.found:
            raise UnsupportedError(f"is a {layer.kind}, which takes no activation to state", where=where)
        return layer.but(weights=place.weights), place.found

    def _read(self, entry: Mapping[str, Any], place: _Place) -> Layer:
        class_name, config = entry_class(entry, place.where), entry_config(entry, place.where)
        policy = _policy(config.get("dtype"), place.where)
        if is_application_layer(class_name, entry):
            return read_application_layer(class_name, place.name, policy, place.take())
        allowed = KINDS | IDENTITY_AT_INFERENCE | (CELLS if len(place.names) > 1 else frozenset())
        if class_name not in allowed or not is_built_in(entry):
            own = place.take()
            found = self._stated(place.names) or self._custom(class_name, entry, config, own, place)
            place.found.append(found)
            if isinstance(found.activation, UsersCode) and class_name != "Lambda":
                place.put_back(own)
                return Layer(place.name, USERS_CODE, {"code": found.activation}, policy)
            written = original(entry, own)
            return Layer(
                place.name,
                "Activation",
                policy=policy,
                activations={"activation": found.activation},
                originals={"activation": written} if written else {},
                stops_mask=_stops_mask(entry),
            )
        if class_name in IDENTITY_AT_INFERENCE:
            return Layer(place.name, "Rescaling", {"scale": 1.0, "offset": 0.0}, policy)
        unsure = None if "module" in entry else Original(class_name, config)
        return self._built_in(class_name, modern(class_name, config, place.where), policy, place, unsure)

    def _built_in(
        self, kind: str, config: Mapping[str, Any], policy: str, place: _Place, unsure: Original | None
    ) -> Layer:
        kept: dict[str, Any] = {}
        activations: dict[str, Activation] = {}
        originals: dict[str, Original] = {}
        for key, value in config.items():
            if key in ACTIVATION_ARGUMENTS:
                own = self._own_weights(kind, key, place)
                read = self._argument(key, value, own, place)
                if isinstance(read, Found):
                    place.found.append(read)
                    activations[key] = read.activation
                    written = original(value, own)
                    originals |= {key: written} if written else {}
                else:
                    kept[key] = read
            elif key in PARTS and value is not None:
                kept[key] = self._parts(kind, key, value, place)
            elif key not in _DROPPED and not key.endswith(TRAINING_SUFFIXES):
                kept[key] = _plain(plain_array(value), key, place.where)
        needed = NEEDED_PARTS.get(kind)
        if needed is not None and needed not in kept:
            raise UnsafeFileError(f"has no '{needed}'", where=place.where)
        if unsure:  # the legacy format does not say whether a class is Keras's or the user's
            originals[""] = unsure
        return Layer(place.name, kind, kept, policy, {}, activations, originals)

    @staticmethod
    def _own_weights(kind: str, key: str, place: _Place) -> dict[str, Weight]:
        """What is stored for a layer that stands as an argument."""
        weights = place.take(f"{key}/")
        if kind in _CELL_INSIDE:  # such a layer shows its cell's functions as its own
            weights |= place.take(f"cell/{key}/")
        return weights

    def _argument(self, key: str, value: object, weights: Mapping[str, Weight], place: _Place) -> Found | str:
        suffix = "" if key == "activation" else f"/{key}"
        stated = self._stated(place.names, suffix)
        where = f"layer '{place.name}{suffix}'"
        try:
            return stated or from_argument(value, weights, where, keras_2=self.keras_2)
        except UnsupportedError as refusal:
            return self._users_code(value, weights, refusal)

    def _custom(
        self,
        class_name: str,
        entry: Mapping[str, Any],
        config: Mapping[str, Any],
        weights: Mapping[str, Weight],
        place: _Place,
    ) -> Found:
        try:
            return _custom(class_name, entry, config, weights, place.where)
        except UnsupportedError as refusal:
            return self._users_code(entry, weights, refusal)

    def _users_code(self, value: object, weights: Mapping[str, Weight], refusal: UnsupportedError) -> Found:
        """Leave to the user's code what cannot be known without it, or refuse it."""
        written = original(value, weights)
        if not self.own_code or written is None:
            raise refusal
        given = None
        if isinstance(value, Mapping) and value.get("class_name") == "Lambda":
            given = entry_config(value, "").get("arguments") or {}
        return Found(UsersCode(written, refusal, given), f"as your code defines '{written.name}'", Basis.CODE)

    def _parts(self, kind: str, key: str, value: object, place: _Place) -> Layer | list[Layer]:
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

    def _part(self, entry: object, key: str, path: str, place: _Place) -> Layer:
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

    def _stated(self, names: tuple[str, ...], suffix: str = "") -> Found | None:
        """What is stated for a part, or for a layer that wraps it."""
        for length in range(len(names), 0, -1):
            name = "/".join(names[:length]) + suffix
            if name in self.stated:
                self.used.add(name)
                return self.stated[name]
        return None


def entry_class(entry: Mapping[str, Any], where: str) -> str:
    """The class name of an entry, by which ``keras.layers`` knows the class."""
    class_name = entry.get("class_name")
    if not isinstance(class_name, str) or not class_name:
        raise UnsafeFileError("has no class name", where=where)
    return _PUBLIC_NAMES.get(class_name, class_name)


def entry_config(entry: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The config of an entry."""
    config = entry.get("config")
    if not isinstance(config, Mapping):
        raise UnsafeFileError("has no config", where=where)
    return config


def is_built_in(entry: Mapping[str, Any]) -> bool:
    """Whether an entry means Keras's own class.

    The newer format states a module, which is null for a user's class whose module is unknown; the legacy
    format states none, and a user's class can be told only by its name.
    """
    if "module" not in entry:
        return ">" not in str(entry.get("class_name"))
    module = entry["module"]
    return isinstance(module, str) and any(
        module == known or module.startswith(f"{known}.") for known in _KERAS_MODULES
    )


def _custom(
    class_name: str,
    entry: Mapping[str, Any],
    config: Mapping[str, Any],
    weights: Mapping[str, Weight],
    where: str,
) -> Found:
    if class_name == "Lambda":
        return from_lambda(config, where)
    name = str(entry.get("registered_name") or class_name)
    found = from_class(name, config, weights, where, _rank(entry))
    if found is not None:
        return found
    kind = "a subclassed model" if class_name in MODELS else f"of class '{class_name}'"
    raise UnsupportedError(f"is {kind}, which is not known", where=where, hint=say_activation(where))


def _rank(entry: Mapping[str, Any]) -> int | None:
    """The rank of what a layer was built for."""
    built = entry.get("build_config")
    shape = built.get("input_shape") if isinstance(built, Mapping) else None
    return len(shape) if isinstance(shape, list) else None


def _stops_mask(entry: Mapping[str, Any]) -> bool:
    """Users' classes and Lambdas declare no mask support; the layers of ``converter.layers`` do."""
    return not str(entry.get("registered_name") or entry.get("class_name")).startswith("plainserve>")


def _plain(value: object, key: str, where: str) -> Any:  # noqa: ANN401  JSON
    """A value without objects: scalars, and lists of them."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UnsafeFileError(f"option '{key}' must be a finite number, not {value}", where=where)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, key, where) for item in value]
    raise UnsupportedError(f"option '{key}' holds an object, which is not known", where=where)


def _policy(dtype: object, where: str) -> str:
    """The name of a dtype policy, written as a text or as an object."""
    name = dtype
    if isinstance(dtype, Mapping):
        config = dtype.get("config")
        name = config.get("name") if isinstance(config, Mapping) else None
    if name is None:
        return "float32"
    if not isinstance(name, str) or (
        name not in POLICIES and not name.startswith(("int", "uint", "bool", "string"))
    ):
        raise UnsupportedError(f"has dtype policy {name!r:.60}, which is not known", where=where)
    return name
