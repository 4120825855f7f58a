"""Replaces our activations by plain layers.

    dense (activation=RationalSS(1.5, 0.8))      dense (linear)
                                           ->    dense_scale     Rescaling(0.8)
                                                 dense_softsign  Activation(softsign)
                                                 dense_gain      Rescaling(1.875)

A layer that is called twice yields steps that are called twice. An activation inside a recurrent cell has no
place between layers; it stays an argument and is built as a plain callable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from converter.activations import Activation
from converter.graph import Call, Graph, Layer, Ref

_SEPARABLE = "activation"
_CELLS = frozenset(
    {"LSTM", "GRU", "SimpleRNN", "Bidirectional", "TimeDistributed", "ConvLSTM1D", "ConvLSTM2D"}
)


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
    """

    graph: Graph
    rewrites: tuple[Rewrite, ...]
    scales: tuple[str, ...]


def lower(graph: Graph) -> Lowered:
    """Lower every activation that stands between layers."""
    rewrites, scales = [], []
    for layer in list(graph.layers.values()):
        activation = layer.activations.get(_SEPARABLE)
        if activation is None or layer.kind in _CELLS:
            continue
        graph, steps = _lower_layer(graph, layer, activation)
        plain = " -> ".join(_text(step) for step in steps)
        rewrites.append(Rewrite(layer.name, f"{activation.formula} lowered to {plain}"))
        scales += [step.name for step in steps if step.kind == "Rescaling"]
    return Lowered(graph, tuple(rewrites), tuple(scales))


def _lower_layer(graph: Graph, layer: Layer, activation: Activation) -> tuple[Graph, list[Layer]]:
    steps = [
        Layer(_free_name(f"{layer.name}_{step.suffix}", graph), step.kind, step.config, layer.policy)
        for step in activation.lower()
    ]
    if layer.kind == "Activation":
        kept: list[Layer] = []
        steps[-1] = steps[-1].but(stops_mask=layer.stops_mask)
    else:
        kept = [
            layer.but(config={**layer.config, _SEPARABLE: "linear"}, activations=_without(layer.activations))
        ]
    chain = kept + steps
    layers: dict[str, Layer] = {}
    for name, existing in graph.layers.items():
        layers.update({step.name: step for step in chain} if name == layer.name else {name: existing})
    calls = [
        made for call in graph.calls for made in (_chain(call, chain) if call.layer == layer.name else [call])
    ]

    def renamed(ref: Ref) -> Ref:
        return Ref(chain[-1].name, ref.call, ref.output) if ref.layer == layer.name else ref

    inside = {step.name for step in chain[1:]}
    return (
        graph.but(
            layers=layers,
            calls=tuple(call if call.layer in inside else call.mapped(renamed) for call in calls),
            outputs=tuple((public, renamed(ref)) for public, ref in graph.outputs),
        ),
        steps,
    )


def _chain(call: Call, chain: list[Layer]) -> list[Call]:
    """The call of the first layer takes what the original took; each later one takes the one before."""
    first = Call(chain[0].name, call.index, call.args, call.kwargs)
    later = [
        Call(after.name, call.index, (Ref(before.name, call.index),)) for before, after in pairwise(chain)
    ]
    return [first, *later]


def _without(activations: Mapping[str, Activation]) -> dict[str, Activation]:
    return {key: value for key, value in activations.items() if key != _SEPARABLE}


def _free_name(wanted: str, graph: Graph) -> str:
    name, number = wanted, 0
    while name in graph.layers:
        number += 1
        name = f"{wanted}_{number}"
    return name


def _text(step: Layer) -> str:
    values = [
        f"{value:g}" if isinstance(value, float) else str(value)
        for key, value in step.config.items()
        if key != "offset"
    ]
    shown = ", ".join(value if len(value) <= 40 else "per channel" for value in values)
    return f"{step.kind}({shown})"
