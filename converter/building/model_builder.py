"""Builds the Keras model that a graph describes, with its weights."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from converter.building.custom_layers import TRACEABLE
from converter.building.keras_errors import first_line
from converter.building.layer_builder import build_layer, place_of
from converter.building.masks import join_as_keras_2, name_masks
from converter.building.stored_weights import load_weights
from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Call, Graph, Layer, Ref, map_refs
from converter.signature import Signature, TensorSpec
from converter.user_code import USER_CODE

Shapes = Mapping[Ref, tuple[int | None, ...]]


def build(graph: Graph) -> keras.Model:
    """Build a functional model whose inputs and outputs are lists in the order of the graph.

    Activations that are not lowered are computed by the layers of ``converter.layers``.

    Raises:
        UnsupportedError: Keras refuses a layer's arguments or inputs.
        UnsafeFileError: A layer's stored weights are not those that its arguments call for.
    """
    return build_with_shapes(graph)[0]


def build_with_shapes(graph: Graph) -> tuple[keras.Model, Shapes]:
    """Build a model, and return the shape of every tensor too, batch included.

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
            made[call.layer] = build_layer(layer, names[call.layer], taken[0])
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


def _taken(call: Call, tensors: Mapping[tuple[str, int], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, with tensors in place of references."""

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
        if layer.kind == USER_CODE:
            raise UnsupportedError(
                f"{layer.config['code'].formula} cannot be traced: {first_line(error)}",
                where=place_of(layer),
                hint=TRACEABLE,
            ) from error
        raise UnsupportedError(
            f"cannot take its input: {first_line(error)}", where=place_of(layer)
        ) from error
    if not any(isinstance(item, keras.KerasTensor) for item in keras.tree.flatten(made)):
        raise UnsupportedError("computes with constants alone, which is not supported", where=place_of(layer))
    if layer.same_dtype:
        _require_one_dtype(layer, made, (args, kwargs))
    if not isinstance(instance, keras.layers.Layer):
        return _named(made, name)
    name_masks(made, (args, kwargs), name)
    return made


def _require_one_dtype(layer: Layer, made: Any, taken: Any) -> None:  # noqa: ANN401  Keras tensors in any structure
    """Refuse mixed dtypes: Keras promotes them, where TensorFlow keeps integers, divides in float64, or refuses."""
    tensors = [item for item in keras.tree.flatten((made, taken)) if isinstance(item, keras.KerasTensor)]
    dtypes = dict.fromkeys(keras.backend.standardize_dtype(tensor.dtype) for tensor in tensors)
    if len(dtypes) > 1:
        raise UnsupportedError(
            f"would compute in {' and '.join(dtypes)}, where TensorFlow has one dtype or widens it otherwise",
            where=place_of(layer),
            hint="Cast what it takes to float32, and save the model again.",
        )


def _takes_masks(instance: Any) -> bool:  # noqa: ANN401  a layer, or a function
    """Whether a layer uses or passes on a mask; for one that does not, Keras would warn that the mask is lost."""
    return (
        not isinstance(instance, keras.layers.Layer)
        or instance.supports_masking
        or "mask" in inspect.signature(instance.call).parameters
    )


def _without_masks(argument: Any, name: str) -> Any:  # noqa: ANN401  Keras tensors in any structure
    """The tensors behind an operation that computes nothing and, like every operation, stops a mask."""
    tensors = keras.tree.flatten(argument)
    for number, tensor in enumerate(tensors):
        if getattr(tensor, "_keras_mask", None) is not None:
            tensors[number] = _named(ops.stop_gradient(tensor), f"{name}.{number}" if number else name)
    return keras.tree.pack_sequence_as(argument, tensors)


def _named(made: Any, name: str) -> Any:  # noqa: ANN401  Keras tensors in any structure
    """The output of an operation, which is named here: the names of Keras count over the whole process."""
    operation = keras.tree.flatten(made)[0]._keras_history.operation  # noqa: SLF001  there is no public way
    operation.name = name
    return made


def _tensor(tensors: Mapping[tuple[str, int], Any], ref: Ref) -> Any:  # noqa: ANN401  a Keras tensor
    outputs = keras.tree.flatten(tensors[ref.layer, ref.call])
    if ref.output >= len(outputs):
        raise UnsafeFileError(f"has no output {ref.output}", where=f"layer '{ref.layer}'")
    return outputs[ref.output]


def _legal_names(graph: Graph) -> dict[str, str]:
    """A unique name that Keras and TensorFlow accept, for each layer."""
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
