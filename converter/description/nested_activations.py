"""Extracts layers that are the ``activation=`` of another layer, and puts each behind its host in the graph.

    dense (activation=LeakyReLU(0.1))    ->    dense (linear)
                                               dense_leaky_re_lu  LeakyReLU(0.1)

The weights of the extracted layer, which are stored among the host's, move with it. An activation in a recurrent cell
is not extracted, because no layer can be inserted into the loop over steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from converter.archive import Weight
from converter.archive.weight_scope import snake_case
from converter.description.supported_layers import ELEMENTWISE, RECURRENT
from converter.errors import UnsupportedError
from converter.graph import Graph, Layer

_ON_EACH_NUMBER = ELEMENTWISE | {"Activation"}
_BLIND_TO_MASKS = ELEMENTWISE | {"Activation", "PReLU"}


@dataclass(frozen=True)
class _Split:
    """A layer whose activation is a layer, split in two.

    Attributes:
        rest: The layer without its activation.
        inner: The activation.
        stored: The prefix of the activation's weights among those of the layer.
        own: The prefix of the same weights in ``inner``.
    """

    rest: Layer
    inner: Layer
    stored: str = "activation/"
    own: str = ""


def extract_nested_activations(graph: Graph) -> Graph:
    """Make a graph in which no layer outside recurrent cells has a layer as its activation.

    Inside its host, such a layer gets no mask; behind its host, it would. If a mask may reach the host, a layer whose
    result depends on masks is left in its host.

    Raises:
        UnsupportedError: A layer that must stay in its host has weights, or the weights of a PReLU are missing.
    """
    waiting = list(graph.layers)
    while waiting:
        host = graph.layers[waiting.pop()]
        split = _split(host)
        if split is None:
            continue
        weights = {
            split.own + path.removeprefix(split.stored): weight
            for path, weight in host.weights.items()
            if path.startswith(split.stored)
        }
        _require(host, split, weights, masked=graph.has_masks)
        if graph.has_masks and not _goes_behind(host, split):
            continue
        kept = {path: each for path, each in host.weights.items() if not path.startswith(split.stored)}
        if host.kind == "Activation" and host.policy == split.inner.policy:  # the host does nothing else
            chain = [split.inner.but(name=host.name, weights=weights)]
        else:
            name = graph.free_name(f"{host.name}_{snake_case(_kind(split))}")
            chain = [split.rest.but(weights=kept), split.inner.but(name=name, weights=weights)]
        graph = graph.replaced(host.name, chain)
        waiting += [layer.name for layer in chain]
    return graph


def _split(layer: Layer) -> _Split | None:
    if layer.kind == "TimeDistributed":
        part = _split(layer.config["layer"])
        if part is None:
            return None
        rest = layer.but(config={**layer.config, "layer": part.rest})
        if part.inner.kind in _ON_EACH_NUMBER:
            return _Split(rest, part.inner, f"layer/{part.stored}", part.own)
        each = layer.but(config={**layer.config, "layer": part.inner})
        return _Split(rest, each, f"layer/{part.stored}", f"layer/{part.own}")
    inner = layer.config.get("activation")
    if not isinstance(inner, Layer) or layer.kind in RECURRENT:
        return None
    return _Split(layer.but(config={**layer.config, "activation": "linear"}), inner)


def _kind(split: _Split) -> str:
    """The kind of the activation inside any ``TimeDistributed`` wrappers."""
    return next(part.kind for part in split.inner.with_parts() if part.kind != "TimeDistributed")


def _goes_behind(host: Layer, split: _Split) -> bool:
    """Whether a mask has no effect on the activation, or the same effect in its host and behind it."""
    return _kind(split) in _BLIND_TO_MASKS or host.kind == "Activation"


def _require(host: Layer, split: _Split, weights: Mapping[str, Weight], *, masked: bool) -> None:
    kind, where = _kind(split), f"layer '{host.name}'"
    if kind == "PReLU" and not weights:
        raise UnsupportedError(
            "its activation is a PReLU whose weights are not in the file",
            where=where,
            hint="Let the model answer once before it is saved, and give each layer a PReLU of its own.",
        )
    if weights and masked and not _goes_behind(host, split):
        raise UnsupportedError(
            f"its activation is a {kind} with weights, and a mask may reach it",
            where=where,
            hint="Put it behind the layer, as a layer of its own, and save the model again.",
        )
