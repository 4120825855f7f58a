"""Builds the Keras model that a graph describes.

Keras gets only what the graph holds: classes from the allowlist, plain arguments, arrays that were read and
checked. Nothing of the file reaches its deserialiser.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from converter import layers as reference_layers
from converter.activations import Activation, Formula, Step
from converter.building.custom_layers import TRACEABLE, AsWritten, custom_layer
from converter.building.formula_models import PLAIN_FUNCTIONS
from converter.building.keras_errors import first_line
from converter.building.masks import join_as_keras_2, name_masks
from converter.building.stored_weights import load_weights
from converter.errors import ConversionError, UnsafeFileError, UnsupportedError
from converter.graph import Call, Graph, Layer, Ref, map_refs
from converter.signature import Signature, TensorSpec
from converter.user_code import USERS_CODE, UsersCode

_OPERATION = "ops."
_CELL_RANKS = {"ConvLSTM1D": 3, "ConvLSTM2D": 4, "ConvLSTM3D": 5}  # of what a step computes; else 2


Shapes = Mapping[Ref, tuple[int | None, ...]]


def build(graph: Graph) -> keras.Model:
    """Build a functional model whose inputs and outputs are lists in the graph's order.

    Our activations that the graph still holds are computed by the layers of ``converter.layers``.

    Raises:
        UnsupportedError: Keras refuses a layer's arguments or inputs.
        UnsafeFileError: A layer's stored weights are not those that its arguments call for.
    """
    return build_with_shapes(graph)[0]


def build_with_shapes(graph: Graph) -> tuple[keras.Model, Shapes]:
    """The same, with the shape of every tensor, its batch included.

    Raises:
        UnsupportedError: Keras refuses a layer's arguments or inputs.
        UnsafeFileError: A layer's stored weights are not those that its arguments call for.
    """
    names = _legal_names(graph)
    tensors: dict[tuple[str, int], Any] = {}
    for _, ref in graph.inputs:
        config = graph.layers[ref.layer].config
        tensors[ref.layer, 0] = keras.Input(
            batch_shape=tuple(config["batch_shape"]), dtype=config["dtype"], name=names[ref.layer]
        )
    made: dict[str, Any] = {}
    for call in graph.calls:
        layer = graph.layers[call.layer]
        taken = _taken(call, tensors)
        if call.layer not in made:
            made[call.layer] = _make(layer, names[call.layer], taken[0])
            if layer.joins_masks_as_keras_2:
                join_as_keras_2(made[call.layer])
        name = names[call.layer] if not call.index else f"{names[call.layer]}.{call.index}"
        tensors[call.layer, call.index] = _called(made[call.layer], layer, name, *taken)
    for name, instance in made.items():
        if isinstance(instance, keras.layers.Layer):
            load_weights(instance, graph.layers[name])
    model = keras.Model(
        inputs=[_tensor(tensors, ref) for _, ref in graph.inputs],
        outputs=[_tensor(tensors, ref) for _, ref in graph.outputs],
        name=re.sub(r"\W", "_", graph.name) or "model",
    )
    shapes = {
        Ref(layer, call, output): tuple(tensor.shape)
        for (layer, call), made in tensors.items()
        for output, tensor in enumerate(keras.tree.flatten(made))
    }
    return model, shapes


def signature(graph: Graph, model: keras.Model) -> Signature:
    """The public names of a graph with the shapes and dtypes of the model built from it."""

    def specs(named: tuple[tuple[str, Ref], ...], tensors: list[Any]) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(name, tuple(tensor.shape), keras.backend.standardize_dtype(tensor.dtype))
            for (name, _), tensor in zip(named, tensors, strict=True)
        )

    return Signature(specs(graph.inputs, model.inputs), specs(graph.outputs, model.outputs))


def _make(layer: Layer, name: str, args: tuple[Any, ...] = ()) -> Any:  # noqa: ANN401  a layer, or a function
    common = {"name": name, "dtype": layer.policy}
    alone = layer.activations.get("activation") if layer.kind == "Activation" else None
    if isinstance(alone, Formula) or layer.kind == "Formula":
        _require_floats(layer, args[0])
    try:
        if alone is not None:
            return _reference(alone, **common)
        if layer.kind == USERS_CODE:
            return custom_layer(layer.config["code"], **common)
        if layer.kind in PLAIN_FUNCTIONS:
            function = _plain(layer.kind, layer.config, len(args[0].shape), layer.policy)
            return keras.layers.Activation(function, **common)
        if layer.kind.startswith(_OPERATION):
            return _operation(layer)
        activations = {key: _reference(value, dtype=layer.policy) for key, value in layer.activations.items()}
        config = {key: _with_parts(value, layer) for key, value in layer.config.items()}
        made = getattr(keras.layers, layer.kind)
        return made(**{**_blank(made), **config, **activations, **common})
    except ConversionError as error:
        error.where = error.where or _where(layer)
        raise
    except Exception as error:  # Keras raises many kinds for arguments that it does not take
        raise UnsupportedError(
            f"Keras refuses its options: {first_line(error)}", where=_where(layer)
        ) from error


def _require_floats(layer: Layer, x: Any) -> None:  # noqa: ANN401  a Keras tensor
    """Refuse integers: a lambda computes with them as they come, which is not how floats compute."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise UnsupportedError(
            f"the lambda gets {dtype} numbers, and what it computes is known for floats only",
            where=_where(layer),
            hint="Give the model's input a float dtype, and save it again with the same weights.",
        )


def _blank(made: Any) -> dict[str, str]:  # noqa: ANN401  a layer's class
    """Arguments that keep a layer from drawing random weights, which the stored ones would replace."""
    return {name: "zeros" for name in inspect.signature(made).parameters if name.endswith("_initializer")}


def _with_parts(value: Any, layer: Layer) -> Any:  # noqa: ANN401  a constructor argument
    """An argument with the layers, cells and functions in it built."""
    if isinstance(value, Layer):
        return _make(value, re.sub(r"[^A-Za-z0-9_.\-]", "_", value.name.rpartition("/")[2]))
    if isinstance(value, Step):
        return _plain(value.kind, value.config, _CELL_RANKS.get(layer.kind, 2), layer.policy)
    return [_with_parts(item, layer) for item in value] if isinstance(value, list) else value


def _plain(kind: str, config: Mapping[str, Any], rank: int, policy: str) -> keras.Model:
    """The function of one of ``PLAIN_FUNCTIONS``."""
    return PLAIN_FUNCTIONS[kind](rank, keras.dtype_policies.get(policy).compute_dtype, **config)


def _reference(activation: Activation, **common: Any) -> Any:  # noqa: ANN401  keyword arguments of a layer
    if isinstance(activation, AsWritten):
        return activation.instance(**common)
    if isinstance(activation, UsersCode):
        return custom_layer(activation, **common)
    return getattr(reference_layers, activation.layer)(**activation.arguments(), **common)


def _operation(layer: Layer) -> Callable[..., Any]:
    """The function of ``keras.ops`` with its options; an item is taken by an operator."""
    function = layer.kind.removeprefix(_OPERATION)
    if function == "get_item":
        return lambda x, key: x[tuple(key) if isinstance(key, list) else key]
    return functools.partial(getattr(keras.ops, function), **layer.config)


def _taken(call: Call, tensors: Mapping[tuple[str, int], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with its tensors."""

    def tensor(ref: Ref) -> Any:  # noqa: ANN401  a Keras tensor
        return _tensor(tensors, ref)

    return map_refs(call.args, tensor), map_refs(call.kwargs, tensor)


def _called(
    instance: Any,  # noqa: ANN401  a layer, or a function
    layer: Layer,
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:  # noqa: ANN401  Keras tensors
    if layer.stops_mask or not _takes_masks(instance):
        args = tuple(_without_masks(argument, f"{name}.unmasked") for argument in args)
    try:
        made = instance(*args, **kwargs)
    except Exception as error:  # Keras raises many kinds for inputs that do not fit
        if layer.kind == USERS_CODE:
            raise UnsupportedError(
                f"{layer.config['code'].formula} cannot be traced: {first_line(error)}",
                where=_where(layer),
                hint=TRACEABLE,
            ) from error
        raise UnsupportedError(f"cannot take its input: {first_line(error)}", where=_where(layer)) from error
    if not any(isinstance(item, keras.KerasTensor) for item in keras.tree.flatten(made)):
        raise UnsupportedError("computes with constants alone, which is not supported", where=_where(layer))
    if layer.same_dtype:
        _require_one_dtype(layer, made, (args, kwargs))
    if not isinstance(instance, keras.layers.Layer):
        return _named(made, name)
    name_masks(made, (args, kwargs), name)
    return made


def _require_one_dtype(layer: Layer, made: Any, taken: Any) -> None:  # noqa: ANN401  Keras tensors in any structure
    """Keras promotes where TensorFlow keeps integers, divides them in float64, or refuses."""
    tensors = [item for item in keras.tree.flatten((made, taken)) if isinstance(item, keras.KerasTensor)]
    dtypes = dict.fromkeys(keras.backend.standardize_dtype(tensor.dtype) for tensor in tensors)
    if len(dtypes) > 1:
        raise UnsupportedError(
            f"would compute in {' and '.join(dtypes)}, where TensorFlow has one dtype or widens it otherwise",
            where=_where(layer),
            hint="Cast what it takes to float32, and save the model again.",
        )


def _takes_masks(instance: Any) -> bool:  # noqa: ANN401  a layer, or a function
    """Whether a mask on the input matters to a layer; where it does not, Keras would warn that it is lost."""
    return (
        not isinstance(instance, keras.layers.Layer)
        or instance.supports_masking
        or "mask" in inspect.signature(instance.call).parameters
    )


def _without_masks(argument: Any, name: str) -> Any:  # noqa: ANN401  Keras tensors in any structure
    """Tensors past an operation that computes nothing and, like every operation, ends a mask."""
    tensors = keras.tree.flatten(argument)
    for number, tensor in enumerate(tensors):
        if getattr(tensor, "_keras_mask", None) is not None:
            tensors[number] = _named(ops.stop_gradient(tensor), f"{name}.{number}" if number else name)
    return keras.tree.pack_sequence_as(argument, tensors)


def _named(made: Any, name: str) -> Any:  # noqa: ANN401  Keras tensors in any structure
    """What an operation made, with the operation named: Keras would count over the whole process."""
    operation = keras.tree.flatten(made)[0]._keras_history.operation  # noqa: SLF001  there is no public way
    operation.name = name
    return made


def _tensor(tensors: Mapping[tuple[str, int], Any], ref: Ref) -> Any:  # noqa: ANN401  a Keras tensor
    outputs = keras.tree.flatten(tensors[ref.layer, ref.call])
    if ref.output >= len(outputs):
        raise UnsafeFileError(f"has no output {ref.output}", where=f"layer '{ref.layer}'")
    return outputs[ref.output]


def _legal_names(graph: Graph) -> dict[str, str]:
    """Names that Keras and TensorFlow take, unique, by layer."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for name in graph.layers:
        wanted = re.sub(r"[^A-Za-z0-9_.\-]", "_", name)
        wanted = wanted if re.match(r"[A-Za-z0-9.]", wanted) else f"layer{wanted}"
        legal, number = wanted, 0
        while legal in taken:
            number += 1
            legal = f"{wanted}_{number}"
        taken.add(legal)
        names[name] = legal
    return names


def _where(layer: Layer) -> str:
    return f"layer '{layer.name}'"
