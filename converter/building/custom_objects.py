"""Applies the user's own classes and functions (``--custom-objects FILE.py``) to a model.

The names that the file defines are used wherever the model has them, built-in functions included:

    an unknown class or function       becomes a layer that runs it, which the exporters trace into operators
    one whose formula is known         is the reference; if it computes something else, it is traced as well
    the name of a built-in function    the user's function takes its place

Whether a mask passes is decided by the user's class, in the reference and in the converted graph alike.
"""

import inspect
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from converter.activations import Activation
from converter.building.custom_layers import AsWritten, restored
from converter.building.custom_objects_file import CustomObjects
from converter.building.formula_agreement import computes_formula
from converter.description.supported_layers import ACTIVATION_ARGUMENTS, BUILT_IN_FUNCTIONS, RECURRENT
from converter.errors import UnsupportedError, UsageError
from converter.evidence import Traced
from converter.graph import Graph, Layer, SerializedObject
from converter.user_code import USER_CODE, UserCode


@dataclass(frozen=True)
class CustomizedModel:
    """A model with the user's code in it.

    Attributes:
        graph: The model to lower and export.
        reference: The model to run as the original.
        layers: Names of the layers whose every class and function the file defines.
        traced: Where the code takes the place of a formula or of a built-in function.
    """

    graph: Graph
    reference: Graph
    layers: frozenset[str]
    traced: tuple[Traced, ...]


def apply_custom_objects(graph: Graph, file: CustomObjects, stated: Collection[str]) -> CustomizedModel:
    """Use the user's code wherever the model names a class or function that the file defines.

    Args:
        graph: The model as it was read.
        file: What the user's file defines.
        stated: Layers whose formula was stated with ``--activation``: it is kept, and compared with the code.

    Raises:
        UsageError: The file defines nothing that the model names.
        UnsupportedError: The model names a class or function that is neither built in nor defined in the file, or the
            user's class refuses its stored options.
    """
    replacement = _Replacement(file, stated)
    replaced = graph.but(layers={name: replacement.layer(layer) for name, layer in graph.layers.items()})
    if not replacement.used:
        names = ", ".join(sorted(replacement.named)) or "no class or function that could be the user's"
        raise UsageError(
            "--custom-objects defines nothing that the model names", hint=f"The model names: {names}."
        )
    reference = replaced.but(
        layers={name: _as_written(layer, file) for name, layer in replaced.layers.items()}
    )
    covered = frozenset(replacement.used) - replacement.undefined
    return CustomizedModel(replaced, reference, covered, tuple(replacement.traced))


@dataclass
class _Replacement:
    """Puts the user's code into one layer after the other.

    Attributes:
        file: What the user's file defines.
        stated: Layers whose formula was stated with ``--activation``.
        named: Names in the model that the file could define.
        used: Layers in which the file defines a name.
        undefined: Layers with an activation that the file does not define.
        traced: Where the code takes the place of a formula or of a built-in function.
    """

    file: CustomObjects
    stated: Collection[str]
    named: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    undefined: set[str] = field(default_factory=set)
    traced: list[Traced] = field(default_factory=list)

    def layer(self, layer: Layer, place: str = "") -> Layer:
        """The layer with the user's code in it, and in the layers that it wraps."""
        place = place or layer.name
        layer = layer.map_parts(lambda part: self.layer(part, place))
        if layer.kind == USER_CODE:
            return layer.but(config={**layer.config, "code": self._filled(layer.config["code"], place)})
        unsure = layer.serialized_objects.get("")
        if unsure is not None and inspect.isclass(self.file.names.get(unsure.name)):
            self.used.add(place)
            return layer.but(
                kind=USER_CODE, config={"code": self._users(unsure)}, activations={}, serialized_objects={}
            )
        for argument, activation in layer.activations.items():
            layer = self._activation(layer, argument, activation, place)
        for argument in ACTIVATION_ARGUMENTS & layer.config.keys():
            layer = self._built_in(layer, argument, place)
        self._require_own_layer(layer, place)
        return layer

    def _activation(self, layer: Layer, argument: str, activation: Activation, place: str) -> Layer:
        original = layer.serialized_objects.get(argument)
        if isinstance(activation, UserCode):
            return _traced(layer, argument, self._filled(activation, place))
        code = None if original is None else self._found(original.name, place)
        if original is None or code is None:
            self.undefined.add(place)
            return layer
        made = self._users(original)
        if place not in self.stated and not computes_formula(made, activation, layer.policy):
            self.traced.append(Traced(place, activation, made))
            return _traced(layer, argument, made)
        return layer.but(stops_mask=not _passes_masks(made)) if original.config is not None else layer

    def _built_in(self, layer: Layer, argument: str, place: str) -> Layer:
        """A layer whose argument names a built-in function, which may be the name of a user's function too."""
        name = layer.config[argument]
        if not isinstance(name, str) or name == "linear":
            return layer
        original = layer.serialized_objects.get(argument, SerializedObject(name))
        if self._found(original.name, place) is None:
            return layer
        made = self._users(original)
        self.traced.append(Traced(place, name, made))
        config = {key: value for key, value in layer.config.items() if key != argument}
        if layer.kind == "Activation":
            return _traced(layer.but(config=config), argument, made)
        return layer.but(
            config={**config, argument: "linear"},
            activations={**layer.activations, argument: made},
            serialized_objects={**layer.serialized_objects, argument: made.serialized},
        )

    def _filled(self, users: UserCode, place: str) -> UserCode:
        code = self._found(users.serialized.name, place)
        if code is None:
            refusal = users.refusal
            raise UnsupportedError(
                refusal.what,
                where=refusal.where,
                hint=f"{self.file.path.name} does not define '{users.serialized.name}'.",
            )
        return users.filled(code, self.file.names)

    def _require_own_layer(self, layer: Layer, place: str) -> None:
        """Refuse learned code inside another layer, where nothing would load its weights."""
        inside = layer.kind in RECURRENT or layer.name != place
        for activation in layer.activations.values():
            if inside and isinstance(activation, UserCode) and activation.serialized.weights:
                raise UnsupportedError(
                    f"{activation.formula} has weights and is the activation of a layer that runs inside another",
                    where=f"layer '{layer.name}'",
                    hint="Put it behind that layer, as a layer of its own, and save the model again.",
                )

    def _users(self, original: SerializedObject) -> UserCode:
        return _defined(original, self.file)

    def _found(self, name: str, place: str) -> Any:  # noqa: ANN401  the user's
        if name not in BUILT_IN_FUNCTIONS:
            self.named.add(name)
        code = self.file.names.get(name)
        if code is not None:
            self.used.add(place)
        return code


def _defined(original: SerializedObject, file: CustomObjects) -> UserCode:
    """The user's code for what the file is known to define."""
    refusal = UnsupportedError(f"'{original.name}' is not defined in {file.path.name}")
    return UserCode(original, refusal).filled(file.names[original.name], file.names)


def _traced(layer: Layer, argument: str, users: UserCode) -> Layer:
    """A layer in which the user's code stands for an activation; a class that is the whole layer is the layer."""
    whole = layer.kind == "Activation" and users.serialized.config is not None
    if whole:
        return Layer(layer.name, USER_CODE, {"code": users}, layer.policy, users.serialized.weights)
    return layer.but(activations={**layer.activations, argument: users})


def _as_written(layer: Layer, file: CustomObjects) -> Layer:
    """The layer as the reference runs it: also where the formula is known, the user's code computes it."""
    own = {
        key: AsWritten(_defined(original, file))
        for key, original in layer.serialized_objects.items()
        if key in layer.activations
        and original.name in file.names
        and not isinstance(layer.activations[key], UserCode)
    }
    changed = layer.map_parts(lambda part: _as_written(part, file))
    return changed.but(activations={**layer.activations, **own})


def _passes_masks(users: UserCode) -> bool:
    return bool(getattr(restored(users), "supports_masking", False))
