"""Replaces PSS, SS and the other known activations by built-in Keras layers.

    dense (activation=RationalSS(1.5, 0.8))      dense (linear)
                                           ->    dense_scale     Rescaling(0.8)
                                                 dense_softsign  Activation(softsign)
                                                 dense_gain      Rescaling(1.875)

A layer that is called twice becomes steps that are called twice. An activation inside a recurrent cell cannot
become a layer, so it stays an argument: the name of a built-in function if it equals one, or a formula step if it
was a lambda.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from converter.activations import Activation, Step
from converter.description.supported_layers import RECURRENT
from converter.graph import Graph, Layer
from converter.user_code import USER_CODE, UserCode

_ARGUMENT = "activation"
"""The argument whose function is applied to a layer's output, so that a layer behind it can apply it instead."""


@dataclass(frozen=True)
class Rewrite:
    """One change to the model, or the reason why something was not changed.

    Attributes:
        layer: The layer's name.
        what: What was done, with its numbers; or the reason why not.
        done: False for a refusal.
    """

    layer: str
    what: str
    done: bool = True

    def to_json(self) -> dict[str, str | bool]:
        """The rewrite as JSON values."""
        return {"layer": self.layer, "what": self.what, "done": self.done}


@dataclass(frozen=True)
class Lowered:
    """A lowered model.

    Attributes:
        graph: The model; no layer outside recurrent cells holds one of our activations.
        rewrites: The changes, for the report.
        scales: The names of the Rescaling layers that were created, which folding may remove again.
        first_steps: For each layer with an activation, the name of the first layer that replaces that activation.
    """

    graph: Graph
    rewrites: tuple[Rewrite, ...]
    scales: tuple[str, ...]
    first_steps: Mapping[str, str] = field(default_factory=dict)


def lower(graph: Graph) -> Lowered:
    """Lower every activation outside recurrent cells; inside them, use built-in functions where they exist."""
    rewrites, scales, first_steps = [], [], {}
    masked = graph.has_masks
    for layer in list(graph.layers.values()):
        found = _split_activation(layer)
        if found is not None:
            holder, rest = found
            activation = holder.activations[_ARGUMENT]
            graph, steps = _lower_layer(
                graph, layer, holder.but(stops_mask=holder.stops_mask and masked), rest
            )
            plain = " -> ".join(_text(step) for step in steps)
            rewrites.append(Rewrite(layer.name, f"{activation.formula} lowered to {plain}"))
            first_steps[layer.name] = steps[0].name
            scales += [step.name for step in steps if step.kind == "Rescaling"]
        left = graph.layers.get(layer.name)
        if left is not None:
            named, texts = _named_in_cells(left)
            graph = graph.with_layer(named) if texts else graph
            rewrites += [Rewrite(layer.name, text) for text in texts]
    return Lowered(graph, tuple(rewrites), tuple(scales), first_steps)


def _split_activation(layer: Layer) -> tuple[Layer, Layer | None] | None:
    """Split a layer into the part that has the activation and the layer without it (None if nothing is left).

    Returns None if the layer has no activation that a layer behind it could apply. An elementwise activation
    inside ``TimeDistributed`` can be applied to all steps at once.
    """
    if layer.kind == "TimeDistributed":
        part = layer.config["layer"]
        found = _split_activation(part)
        if found is None:
            return None
        holder, rest = found
        if isinstance(holder.activations[_ARGUMENT], UserCode):
            return None  # the code may not be elementwise, so it is still applied to each step
        kept = None if rest is None else layer.but(config={**layer.config, "layer": rest})
        return holder.but(stops_mask=False), kept
    if _ARGUMENT not in layer.activations or layer.kind in RECURRENT:
        return None
    if layer.kind == "Activation":
        return layer, None
    activations = {key: value for key, value in layer.activations.items() if key != _ARGUMENT}
    return layer, layer.but(config={**layer.config, _ARGUMENT: "linear"}, activations=activations)


def _named_in_cells(layer: Layer) -> tuple[Layer, list[str]]:
    """A recurrent layer with its activations replaced by functions that Keras itself computes, where possible."""
    texts: list[str] = []

    def changed(part: Layer) -> Layer:
        part = part.map_parts(changed)
        for key, activation in part.activations.items():
            function = _as_function(activation)
            kept = {other: value for other, value in part.activations.items() if other != key}
            named = isinstance(function, str)
            texts.append(
                f"{activation.formula} in its steps {f'is {function}' if named else 'computed there'}"
            )
            if function:
                part = part.but(config={**part.config, key: function}, activations=kept)
        return part

    return changed(layer), texts


def _as_function(activation: Activation) -> str | Step | None:
    """The name of the built-in function that an activation equals, or its formula step; None if it is neither."""
    match activation.lower():
        case [Step("Activation", config)]:
            return str(config["activation"])
        case [Step("Formula") as step]:
            return step
    return None


def _lower_layer(graph: Graph, layer: Layer, holder: Layer, rest: Layer | None) -> tuple[Graph, list[Layer]]:
    """Insert the steps of an activation behind the rest of its layer, or in place of the layer if nothing is left."""
    steps = [
        Layer(
            graph.free_name(f"{layer.name}_{step.suffix}"),
            step.kind,
            step.config,
            holder.policy,
            step.weights,
        )
        for step in holder.activations[_ARGUMENT].lower()
    ]
    if rest is None:
        # Mark a step that folding never removes: the mask must still end here.
        stop = next((number for number, step in enumerate(steps) if step.kind != "Rescaling"), 0)
        steps[stop] = steps[stop].but(stops_mask=holder.stops_mask)
    return graph.replaced(layer.name, steps if rest is None else [rest, *steps]), steps


def _text(step: Layer) -> str:
    if step.kind == USER_CODE:
        return "your code, traced"
    if step.kind == "Formula":
        return "the same operations"
    values = [
        f"{value:g}" if isinstance(value, float) else str(value)
        for key, value in step.config.items()
        if key != "offset"
    ]
    shown = ", ".join(value if len(value) <= 40 else "per channel" for value in values)
    return f"{step.kind}({shown})"
