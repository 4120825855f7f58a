"""Replaces our activations by plain layers.

    dense (activation=RationalSS(1.5, 0.8))      dense (linear)
                                           ->    dense_scale     Rescaling(0.8)
                                                 dense_softsign  Activation(softsign)
                                                 dense_gain      Rescaling(1.875)

A layer that is called twice yields steps that are called twice. An activation inside a recurrent cell has no
place between layers: it stays an argument, by the name of a built-in function if it is one, as its one step
if that is a lambda's formula.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from converter.activations import Activation, Step
from converter.description.supported_layers import RECURRENT
from converter.graph import Graph, Layer
from converter.user_code import USER_CODE, UserCode

_SEPARABLE = "activation"


@dataclass(frozen=True)
class Rewrite:
    """One thing that was changed, or was left with a reason.

    Attributes:
        layer: Where.
        what: What was done, with its numbers.
        done: False for a refusal.
    """

    layer: str
    what: str
    done: bool = True

    def to_json(self) -> dict[str, str | bool]:
        """Plain values."""
        return {"layer": self.layer, "what": self.what, "done": self.done}


@dataclass(frozen=True)
class Lowered:
    """A lowered model.

    Attributes:
        graph: The model; no layer outside recurrent cells holds one of our activations.
        rewrites: What was done.
        scales: The Rescaling layers that were made, which folding may take away again.
        first_steps: The first of the steps that stand for an activation, by its layer.
    """

    graph: Graph
    rewrites: tuple[Rewrite, ...]
    scales: tuple[str, ...]
    first_steps: Mapping[str, str] = field(default_factory=dict)


def lower(graph: Graph) -> Lowered:
    """Lower every activation that stands between layers, and name those in cells where they have a name."""
    rewrites, scales, first_steps = [], [], {}
    masked = graph.has_masks
    for layer in list(graph.layers.values()):
        found = _separable(layer)
        if found is not None:
            holder, rest = found
            activation = holder.activations[_SEPARABLE]
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


def _separable(layer: Layer) -> tuple[Layer, Layer | None] | None:
    """What holds an activation that can stand after a layer, and what is left of the layer without it.

    None if there is no such activation. What ``TimeDistributed`` applies to each step, an elementwise
    function can do to all of them.
    """
    if layer.kind == "TimeDistributed":
        part = layer.config["layer"]
        found = _separable(part)
        if found is None:
            return None
        holder, rest = found
        if isinstance(holder.activations[_SEPARABLE], UserCode):
            return None  # it need not be elementwise: it stays at each step
        kept = None if rest is None else layer.but(config={**layer.config, "layer": rest})
        return holder.but(stops_mask=False), kept
    if _SEPARABLE not in layer.activations or layer.kind in RECURRENT:
        return None
    if layer.kind == "Activation":
        return layer, None
    activations = {key: value for key, value in layer.activations.items() if key != _SEPARABLE}
    return layer, layer.but(config={**layer.config, _SEPARABLE: "linear"}, activations=activations)


def _named_in_cells(layer: Layer) -> tuple[Layer, list[str]]:
    """A recurrent layer whose activations are functions that Keras itself computes, where they are."""
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
    """The one function that an activation is, if it is one: a built-in one's name, or a formula's step."""
    match activation.lower():
        case [Step("Activation", config)]:
            return str(config["activation"])
        case [Step("Formula") as step]:
            return step
    return None


def _lower_layer(graph: Graph, layer: Layer, holder: Layer, rest: Layer | None) -> tuple[Graph, list[Layer]]:
    """Put the steps of an activation behind what is left of its layer, or in its place."""
    steps = [
        Layer(
            graph.free_name(f"{layer.name}_{step.suffix}"),
            step.kind,
            step.config,
            holder.policy,
            step.weights,
        )
        for step in holder.activations[_SEPARABLE].lower()
    ]
    if rest is None:
        # A step that folding never takes away: a mask must still end here.
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
