"""Builds the Keras model that a graph describes.

Keras gets only what the graph holds: classes from the allowlist, plain arguments, arrays that were read and
checked. Nothing of the file reaches its deserialiser.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from converter import layers as reference_layers
from converter.activations import Activation
from converter.archive import Weight
from converter.errors import ConversionError, UnsafeFileError, UnsupportedError
from converter.graph import Call, Graph, Layer, Ref, map_refs
from converter.signature import Signature, TensorSpec

_NOT_WEIGHTS = ("seed_generator/",)  # the state of random numbers, which only training draws


def build(graph: Graph) -> keras.Model:
    """Build a functional model whose inputs and outputs are lists in the graph's order.

    Our activations that the graph still holds are computed by the layers of ``converter.layers``.

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
        if call.layer not in made:
            made[call.layer] = _make(layer, names[call.layer])
        tensors[call.layer, call.index] = _called(made[call.layer], call, tensors)
    for name, instance in made.items():
        if isinstance(instance, keras.layers.Layer):
            _load(instance, graph.layers[name])
    return keras.Model(
        inputs=[_tensor(tensors, ref) for _, ref in graph.inputs],
        outputs=[_tensor(tensors, ref) for _, ref in graph.outputs],
        name=re.sub(r"\W", "_", graph.name) or "model",
    )


def signature(graph: Graph, model: keras.Model) -> Signature:
    """The public names of a graph with the shapes and dtypes of the model built from it."""

    def specs(named: tuple[tuple[str, Ref], ...], tensors: list[Any]) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(name, tuple(tensor.shape), keras.backend.standardize_dtype(tensor.dtype))
            for (name, _), tensor in zip(named, tensors, strict=True)
        )

    return Signature(specs(graph.inputs, model.inputs), specs(graph.outputs, model.outputs))


def _make(layer: Layer, name: str) -> Any:  # noqa: ANN401  a layer, or a function of tensors
    common = {"name": name, "dtype": layer.policy}
    alone = layer.activations.get("activation") if layer.kind == "Activation" else None
    try:
        if alone is not None:
            instance = _reference(alone, **common)
            instance.supports_masking = not layer.stops_mask
            return instance
        if layer.kind == "Quotient":
            return _quotient(**layer.config)
        activations = {key: _reference(value, dtype=layer.policy) for key, value in layer.activations.items()}
        return getattr(keras.layers, layer.kind).from_config({**layer.config, **activations, **common})
    except ConversionError:
        raise
    except Exception as error:  # Keras raises many kinds for arguments that it does not take
        raise UnsupportedError(
            f"Keras refuses its options: {_first_line(error)}", where=_where(layer)
        ) from error


def _reference(activation: Activation, **common: Any) -> Any:  # noqa: ANN401  keyword arguments of a layer
    return getattr(reference_layers, activation.layer)(**activation.arguments(), **common)


def _quotient(a: float | list[float], b: float | list[float]) -> Any:  # noqa: ANN401  a function of tensors
    def quotient(x: Any) -> Any:  # noqa: ANN401  a Keras tensor
        return (x * _constant(a, x)) / (ops.abs(x) * _constant(b, x) + 1.0)

    return quotient


def _constant(value: float | list[float], like: Any) -> Any:  # noqa: ANN401  a Keras tensor
    return value if isinstance(value, float) else ops.convert_to_tensor(value, like.dtype)


def _called(instance: Any, call: Call, tensors: Mapping[tuple[str, int], Any]) -> Any:  # noqa: ANN401  Keras tensors
    def tensor(ref: Ref) -> Any:  # noqa: ANN401  a Keras tensor
        return _tensor(tensors, ref)

    args = map_refs(call.args, tensor)
    kwargs = map_refs(call.kwargs, tensor)
    try:
        return instance(*args, **kwargs)
    except Exception as error:  # Keras raises many kinds for inputs that do not fit
        raise UnsupportedError(
            f"cannot take its input: {_first_line(error)}", where=f"layer '{call.layer}'"
        ) from error


def _tensor(tensors: Mapping[tuple[str, int], Any], ref: Ref) -> Any:  # noqa: ANN401  a Keras tensor
    made = tensors[ref.layer, ref.call]
    outputs = list(made.values()) if isinstance(made, dict) else made
    if not isinstance(outputs, list | tuple):
        outputs = [outputs]
    if ref.output >= len(outputs):
        raise UnsafeFileError(f"has no output {ref.output}", where=f"layer '{ref.layer}'")
    return outputs[ref.output]


def _load(instance: keras.layers.Layer, layer: Layer) -> None:
    """Give a layer its stored weights, checked against the variables that it has."""
    stored: dict[str, dict[str, Weight]] = defaultdict(dict)
    for path, weight in layer.weights.items():
        if not path.startswith(_NOT_WEIGHTS):
            holder, _, number = path.rpartition("vars/")
            stored[holder.rstrip("/")][number] = weight
    count = sum(map(len, stored.values()))
    if count != len(instance.weights):
        raise UnsafeFileError(
            f"stores {count} weights where its options call for {len(instance.weights)}", where=_where(layer)
        )
    for holder, weights in stored.items():
        part = instance
        for attribute in filter(None, holder.split("/")):
            part = getattr(part, attribute, None)
        if not isinstance(part, keras.layers.Layer):
            raise UnsafeFileError(
                f"stores weights of a part '{holder}' that it does not have", where=_where(layer)
            )
        try:
            part.load_own_variables({number: weight.read() for number, weight in weights.items()})
        except (ValueError, KeyError, TypeError) as error:
            raise UnsafeFileError(
                f"its stored weights do not fit its options: {_first_line(error)}", where=_where(layer)
            ) from error


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


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
