"""Reads one layer's entry in a model file into a ``Layer`` of plain values."""

from collections.abc import Mapping
from typing import Any

from converter.archive import Weight
from converter.description.activation_reader import (
    Found,
    from_argument,
    from_class,
    from_lambda,
    say_activation,
)
from converter.description.kinds import KINDS, LOADERS, MODELS, POLICIES
from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Layer

# Only training needs these: starting values, penalties, constraints; and names that we set ourselves.
_TRAINING_SUFFIXES = ("_initializer", "_regularizer", "_constraint")
_DROPPED = frozenset(
    {
        "name", "trainable", "dtype", "batch_input_shape", "input_dtype", "activity_regularizer",
        "quantization_config", "lora_rank", "lora_alpha", "seed",
        "gamma_quantizer", "synchronized", "renorm", "renorm_clipping", "renorm_momentum", "fused",
    }
)  # fmt: skip
_ACTIVATION_ARGUMENTS = frozenset({"activation", "recurrent_activation"})
_KERAS_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")


def read_layer(
    entry: Mapping[str, Any], name: str, weights: Mapping[str, Weight], stated: Found | None
) -> tuple[Layer, list[Found]]:
    """Read one layer that is not a model.

    Args:
        entry: The layer's object in the file: class_name, config, module, registered_name.
        name: Its name in the graph.
        weights: What is stored for it.
        stated: What ``--activation`` says of it.

    Returns:
        The layer, and the activations found in it.

    Raises:
        UnsafeFileError: It names something that loads or runs things, or its entry is malformed.
        UnsupportedError: It is not known, or has an option that is not.
    """
    where = f"layer '{name}'"
    class_name, config = entry_class(entry, where), entry_config(entry, where)
    policy = _policy(config.get("dtype"), where)
    if class_name in KINDS and _is_built_in(entry):
        return _built_in(class_name, config, name, policy, weights, stated)
    found = stated or _custom(class_name, entry, config, weights, where)
    return Layer(
        name,
        "Activation",
        policy=policy,
        activations={"activation": found.activation},
        stops_mask=_stops_mask(entry),
    ), [found]


def entry_class(entry: Mapping[str, Any], where: str) -> str:
    """The class name of an entry."""
    class_name = entry.get("class_name")
    if not isinstance(class_name, str) or not class_name:
        raise UnsafeFileError("has no class name", where=where)
    return class_name


def entry_config(entry: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The config of an entry."""
    config = entry.get("config")
    if not isinstance(config, Mapping):
        raise UnsafeFileError("has no config", where=where)
    return config


def _is_built_in(entry: Mapping[str, Any]) -> bool:
    """Whether an entry means Keras's own class: Keras 3 states a module, the legacy formats state none."""
    module = entry.get("module")
    if module is None:
        return not entry.get("registered_name") or ">" not in str(entry["registered_name"])
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
    if class_name in LOADERS:
        raise UnsafeFileError(
            f"is a {class_name}, which loads or runs something from outside the file", where=where
        )
    if class_name == "Lambda":
        return from_lambda(config, where)
    found = from_class(str(entry.get("registered_name") or class_name), config, weights, where)
    if found is not None:
        return found
    kind = "a subclassed model" if class_name in MODELS else f"of class '{class_name}'"
    raise UnsupportedError(f"is {kind}, which is not known", where=where, hint=say_activation(where))


def _stops_mask(entry: Mapping[str, Any]) -> bool:
    """Users' classes and Lambdas declare no mask support; the layers of ``converter.layers`` do."""
    return not str(entry.get("registered_name") or "").startswith("plainserve>")


def _built_in(
    kind: str,
    config: Mapping[str, Any],
    name: str,
    policy: str,
    weights: Mapping[str, Weight],
    stated: Found | None,
) -> tuple[Layer, list[Found]]:
    where = f"layer '{name}'"
    kept: dict[str, Any] = {}
    found: dict[str, Found] = {}
    for key, value in config.items():
        if key in _ACTIVATION_ARGUMENTS:
            read = stated if stated and key == "activation" else from_argument(value, where)
            if isinstance(read, Found):
                found[key] = read
            else:
                kept[key] = read
        elif key not in _DROPPED and not key.endswith(_TRAINING_SUFFIXES):
            kept[key] = _plain(value, key, where)
    if stated and not found:
        raise UnsupportedError(f"is a {kind}, which takes no activation to state", where=where)
    activations = {key: item.activation for key, item in found.items()}
    return Layer(name, kind, kept, policy, _by_path(weights), activations), list(found.values())


def _by_path(weights: Mapping[str, Weight]) -> dict[str, Weight]:
    """The legacy format numbers a layer's weights; the other names them ``vars/<number>``."""
    return {f"vars/{key}" if key.isdecimal() else key: weight for key, weight in weights.items()}


def _plain(value: object, key: str, where: str) -> Any:  # noqa: ANN401  JSON
    """A value without objects: scalars, and lists of them."""
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
