"""``--custom-objects FILE.py``: the user's own classes and functions decide.

The file is the user's and is run; nothing of the model file is. What it defines is used for whatever the model
names so, built-in functions included:

    a class or function that is not known   becomes a layer that runs it, which the exporters trace into operators
    one whose formula is known              is the reference; if it computes something else, it is traced as well
    a built-in function's name              the user's function takes its place

Whether a mask passes is what the user's class says, in the reference and in the converted graph alike.
"""

import inspect
import re
import runpy
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from converter.activations import Activation
from converter.building.keras_errors import first_line
from converter.description.supported_layers import ACTIVATION_ARGUMENTS, BUILT_IN_FUNCTIONS, RECURRENT
from converter.errors import ConversionError, UnsupportedError, UsageError
from converter.evidence import Traced
from converter.exporters.serving_function import serving_function, with_placeholder_names
from converter.graph import Graph, Layer, SerializedObject
from converter.signature import Signature
from converter.user_code import USER_CODE, UserCode

# What a file imports from these is theirs, not the user's.
_LIBRARIES = frozenset(
    {"keras", "tf_keras", "tensorflow", "numpy", "jax", "torch", "scipy", "builtins", "math"}
)
TRACEABLE = "Write it with keras.ops or TensorFlow's functions: numpy and Python branches need values."
"""What to do about code that cannot be traced."""

_POINTS = np.linspace(-30.0, 30.0, 241)  # in units of 1 / scale, where every formula of ours bends


@dataclass(frozen=True)
class UsersFile:
    """What a user's file defines.

    Attributes:
        path: The file.
        names: Its classes and functions by name, and what it registers with Keras by the registered name.
    """

    path: Path
    names: Mapping[str, Any]


def load(path: Path) -> UsersFile:
    """Run a Python file and return what it defines.

    Raises:
        UsageError: It raises.
    """
    # Keras warns whenever such a class ends a mask, which is what the original does as well.
    warnings.filterwarnings(
        "ignore", message="Layer .* was passed an input with a mask", category=UserWarning
    )
    registry = keras.saving.get_custom_objects()
    before = dict(registry)
    try:
        defined = runpy.run_path(str(path))
    except Exception as error:
        raise UsageError(
            f"raised {type(error).__name__}: {error}", where=f"--custom-objects {path}"
        ) from error
    names = {name: value for name, value in defined.items() if _is_users(value)}
    registered = {name: value for name, value in registry.items() if before.get(name) is not value}
    bare = {name.rsplit(">", 1)[-1]: value for name, value in registered.items()}
    return UsersFile(path, {**bare, **names, **registered})


def _is_users(value: Any) -> bool:  # noqa: ANN401  whatever a module holds
    module = getattr(value, "__module__", None) or type(value).__module__
    return callable(value) and module.partition(".")[0] not in _LIBRARIES


@dataclass(frozen=True)
class Decided:
    """A model in which the user's code has its say.

    Attributes:
        graph: To lower and export.
        reference: To run as the original.
        layers: Names of the layers whose every class and function the file defines.
        traced: Where the code stands instead of a formula or of a built-in function.
    """

    graph: Graph
    reference: Graph
    layers: frozenset[str]
    traced: tuple[Traced, ...]


def decide(graph: Graph, file: UsersFile, stated: Collection[str]) -> Decided:
    """Put the user's code where the model names what the file defines.

    Args:
        graph: The model as it was read.
        file: What the user's file defines.
        stated: Layers whose formula somebody stated: it stays, and the code is its judge.

    Raises:
        UsageError: The file defines nothing that the model names.
        UnsupportedError: The model names a class or function that neither the file defines nor anybody knows, or
            the user's class refuses its stored options.
    """
    deciding = _Deciding(file, stated)
    decided = graph.but(layers={name: deciding.layer(layer) for name, layer in graph.layers.items()})
    if not deciding.used:
        names = ", ".join(sorted(deciding.named)) or "no class or function that could be the user's"
        raise UsageError(
            "--custom-objects defines nothing that the model names", hint=f"The model names: {names}."
        )
    reference = decided.but(layers={name: _as_written(layer, file) for name, layer in decided.layers.items()})
    covered = frozenset(deciding.used) - deciding.open
    return Decided(decided, reference, covered, tuple(deciding.traced))


@dataclass
class _Deciding:
    """Decides layer by layer, and keeps what was met."""

    file: UsersFile
    stated: Collection[str]
    named: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
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
            self.open.add(place)
            return layer
        made = self._users(original)
        if place not in self.stated and not _computes(made, activation, layer.policy):
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


def _defined(original: SerializedObject, file: UsersFile) -> UserCode:
    """The user's code for what the file is known to define."""
    refusal = UnsupportedError(f"'{original.name}' is not defined in {file.path.name}")
    return UserCode(original, refusal).filled(file.names[original.name], file.names)


def _traced(layer: Layer, argument: str, users: UserCode) -> Layer:
    """A layer in which the user's code stands for an activation; a class that is the whole layer is the layer."""
    whole = layer.kind == "Activation" and users.serialized.config is not None
    if whole:
        return Layer(layer.name, USER_CODE, {"code": users}, layer.policy, users.serialized.weights)
    return layer.but(activations={**layer.activations, argument: users})


def _computes(users: UserCode, activation: Activation, policy: str) -> bool:
    """Whether the user's code computes a formula, and can be replaced by it as far as masks are concerned.

    Anything that is in doubt is not: then the code itself is traced, which is right too.
    """
    if not _is_elementwise(users):
        return False
    channels = max((len(v) for v in vars(activation).values() if isinstance(v, tuple)), default=1)
    dtype = "float32" if "float16" in policy else policy
    x = np.repeat(_POINTS[:, None] / activation.scale, channels, axis=1).astype(dtype)
    try:
        answer = np.asarray(_wrapped(users, dtype=dtype)(x))
    except ConversionError:
        raise
    except Exception:  # noqa: BLE001  the user's code may want another rank, or anything
        return False
    wanted = activation.evaluate(x.astype(np.float64))
    # As close as an artefact must be to its reference: a formula that is further off would be refused later.
    return answer.shape == x.shape and np.allclose(answer, wanted, rtol=1e-4, atol=1e-5)


def _is_elementwise(users: UserCode) -> bool:
    """Whether nothing in a class's signature says that it is more than a function of one tensor."""
    if users.serialized.config is None:
        return True
    call = getattr(users.code, "call", None)
    if call is None or getattr(users.code, "compute_mask", None) is not keras.layers.Layer.compute_mask:
        return False
    plain = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    taken = [each for each in inspect.signature(call).parameters.values() if each.kind in plain]
    return len(taken) == 2  # self and the input


def _passes_masks(users: UserCode) -> bool:
    return bool(getattr(_made(users), "supports_masking", False))


@dataclass(frozen=True, eq=False)
class AsWritten:
    """Stands for a known activation in the reference: computed by the user's own code, traceable or not."""

    users: UserCode

    def instance(self, **common: Any) -> keras.layers.Layer:  # noqa: ANN401  arguments of a layer
        """A layer that runs the user's code."""
        return _wrapped(self.users, **common)


def _as_written(layer: Layer, file: UsersFile) -> Layer:
    own = {
        key: AsWritten(_defined(original, file))
        for key, original in layer.serialized_objects.items()
        if key in layer.activations
        and original.name in file.names
        and not isinstance(layer.activations[key], UserCode)
    }
    changed = layer.map_parts(lambda part: _as_written(part, file))
    return changed.but(activations={**layer.activations, **own})


def instance(users: UserCode, **common: Any) -> keras.layers.Layer:  # noqa: ANN401  arguments of a layer
    """The user's class made from its stored options, or a layer around their function.

    Raises:
        UnsupportedError: The class refuses the options that are stored for it, or is no Keras layer.
    """
    if users.serialized.config is None:
        code = users.code() if inspect.isclass(users.code) else users.code
        if users.arguments_of_lambda is not None:  # it may change the shape, and ends masks
            return keras.layers.Lambda(code, arguments=dict(users.arguments_of_lambda), **common)
        return keras.layers.Activation(code, **common)
    made = _made(users, **common)
    if not isinstance(made, keras.layers.Layer):
        raise UnsupportedError(
            f"your class '{users.serialized.name}' makes {type(made).__name__}, no Keras layer"
        )
    return made


def _made(users: UserCode, **common: Any) -> Any:  # noqa: ANN401  the user's object
    """The user's class made from its stored options."""
    own = {**(users.serialized.config or {}), **common}
    try:
        with keras.saving.custom_object_scope(dict(users.scope)):
            return users.code.from_config(own)
    except Exception as error:
        raise UnsupportedError(
            f"your class '{users.serialized.name}' refuses its stored options: {error}",
            hint="Its from_config, or its constructor, must take what its get_config wrote.",
        ) from error


def require_traceable(model: keras.Model, signature: Signature) -> None:
    """Trace a model that runs the user's code, as every exporter will.

    Raises:
        UnsupportedError: The code needs values, or raises.
    """
    serve, specs = serving_function(model, with_placeholder_names(signature))
    try:
        serve.get_concrete_function(*specs)
    except Exception as error:
        called = re.search(r"calling (\w+)\.call\(\)", str(error))
        raise UnsupportedError(
            f"your {called[1] if called else 'code'} cannot be traced: {first_line(error)}", hint=TRACEABLE
        ) from error


def _wrapped(users: UserCode, **common: Any) -> keras.layers.Layer:  # noqa: ANN401  arguments of a layer
    """A layer around code that need not be traceable, such as a function that uses numpy.

    The code is held in a closure: Keras would count its weights as ones that the model file must fill.
    """
    code = users.code if users.serialized.config is None else _made(users, **common)
    weights = users.serialized.weights

    class Wrapped(keras.layers.Layer):
        def build(self, input_shape: tuple[int | None, ...]) -> None:
            if weights and not getattr(code, "built", True):
                code.build(input_shape)
            if weights:
                code.load_own_variables(
                    {path.rpartition("/")[2]: each.read() for path, each in weights.items()}
                )

        def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            return keras.KerasTensor(inputs.shape, self.compute_dtype)

        def call(self, inputs: Any) -> Any:  # noqa: ANN401  tensors
            return keras.ops.convert_to_tensor(code(inputs))

    made = Wrapped(**common)
    made.supports_masking = bool(getattr(code, "supports_masking", False))
    return made
