"""Builds one Keras layer, or one function of ``keras.ops``, from its description in a graph.

Keras gets only what the graph holds: classes from the allowlist, plain arguments, arrays that were read and
checked. Nothing of the file reaches its deserialiser.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import keras

from converter import layers as reference_layers
from converter.activations import Activation, Formula, Step
from converter.building.custom_layers import AsWritten, custom_layer
from converter.building.formula_models import FORMULA_MODELS
from converter.building.keras_errors import first_line
from converter.errors import ConversionError, UnsupportedError
from converter.graph import Layer
from converter.user_code import USER_CODE, UserCode

_OPERATION = "ops."
_CELL_RANKS = {"ConvLSTM1D": 3, "ConvLSTM2D": 4, "ConvLSTM3D": 5}  # of what a step computes; else 2


def build_layer(layer: Layer, name: str, args: tuple[Any, ...] = ()) -> Any:  # noqa: ANN401  a layer, or a function
    """Build the Keras layer, or the function, that a layer of a graph describes.

    Args:
        layer: Its kind, options and activations.
        name: Its name in the Keras model.
        args: The tensors of its first call.

    Raises:
        UnsupportedError: Keras refuses its options, or it is a lambda that gets integers.
    """
    common = {"name": name, "dtype": layer.policy}
    alone = layer.activations.get("activation") if layer.kind == "Activation" else None
    if isinstance(alone, Formula) or layer.kind == "Formula":
        _require_floats(layer, args[0])
    try:
        if alone is not None:
            return _reference(alone, **common)
        if layer.kind == USER_CODE:
            return custom_layer(layer.config["code"], **common)
        if layer.kind in FORMULA_MODELS:
            function = _plain(layer.kind, layer.config, len(args[0].shape), layer.policy)
            return keras.layers.Activation(function, **common)
        if layer.kind.startswith(_OPERATION):
            return _operation(layer)
        activations = {key: _reference(value, dtype=layer.policy) for key, value in layer.activations.items()}
        config = {key: _with_parts(value, layer) for key, value in layer.config.items()}
        made = getattr(keras.layers, layer.kind)
        return made(**{**_blank(made), **config, **activations, **common})
    except ConversionError as error:
        error.where = error.where or place_of(layer)
        raise
    except Exception as error:  # Keras raises many kinds for arguments that it does not take
        raise UnsupportedError(
            f"Keras refuses its options: {first_line(error)}", where=place_of(layer)
        ) from error


def _require_floats(layer: Layer, x: Any) -> None:  # noqa: ANN401  a Keras tensor
    """Refuse integers: a lambda computes with them as integers, and its formula is known for floats only."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise UnsupportedError(
            f"the lambda gets {dtype} numbers, and what it computes is known for floats only",
            where=place_of(layer),
            hint="Give the model's input a float dtype, and save it again with the same weights.",
        )


def _blank(made: Any) -> dict[str, str]:  # noqa: ANN401  a layer's class
    """Arguments that keep a layer from drawing random weights, which the stored ones replace anyway."""
    return {name: "zeros" for name in inspect.signature(made).parameters if name.endswith("_initializer")}


def _with_parts(value: Any, layer: Layer) -> Any:  # noqa: ANN401  a constructor argument
    """An argument in which layers, cells and functions are built."""
    if isinstance(value, Layer):
        return build_layer(value, re.sub(r"[^A-Za-z0-9_.\-]", "_", value.name.rpartition("/")[2]))
    if isinstance(value, Step):
        return _plain(value.kind, value.config, _CELL_RANKS.get(layer.kind, 2), layer.policy)
    return [_with_parts(item, layer) for item in value] if isinstance(value, list) else value


def _plain(kind: str, config: Mapping[str, Any], rank: int, policy: str) -> keras.Model:
    """A model from ``FORMULA_MODELS``."""
    return FORMULA_MODELS[kind](rank, keras.dtype_policies.get(policy).compute_dtype, **config)


def _reference(activation: Activation, **common: Any) -> Any:  # noqa: ANN401  keyword arguments of a layer
    if isinstance(activation, AsWritten):
        return activation.instance(**common)
    if isinstance(activation, UserCode):
        return custom_layer(activation, **common)
    return getattr(reference_layers, activation.layer)(**activation.arguments(), **common)


def _operation(layer: Layer) -> Callable[..., Any]:
    """The function of ``keras.ops`` with its options; ``get_item`` is an operator."""
    function = layer.kind.removeprefix(_OPERATION)
    if function == "get_item":
        return lambda x, key: x[tuple(key) if isinstance(key, list) else key]
    return functools.partial(getattr(keras.ops, function), **layer.config)


def place_of(layer: Layer) -> str:
    """The layer, as errors name it."""
    return f"layer '{layer.name}'"
