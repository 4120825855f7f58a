"""Looks up what folding needs to know of a graph: shapes, calls, consumers, and which layers may change.

``backward`` and ``forward`` use it to propagate a scale in the two directions.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from converter.folding.precision import compute_type
from converter.folding.propagation_rules import PROPAGATION_RULES, PropagationRule
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale, Shape, shortest
from converter.graph import Call, Graph, Layer, Ref
from converter.user_code import USER_CODE


@dataclass(frozen=True)
class GraphView:
    """One graph with lookup tables, for one scale that is to be folded.

    Attributes:
        graph: The model in its present state.
        shapes: Shapes of its tensors, where they are known.
        scales: The names of the Rescaling layers that may be removed.
        dtype: The compute dtype of the scale. It is folded only into layers that compute in the same dtype.
    """

    graph: Graph
    shapes: Mapping[Ref, Shape]
    scales: frozenset[str]
    dtype: str

    def scale_of(self, name: str) -> Scale:
        """The scale by which a Rescaling layer multiplies its tensor.

        Raises:
            Refusal: The layer also ends a mask; or its numbers do not fit the channels, or the number of
                channels is not known.
        """
        if self.graph.layers[name].stops_mask:
            raise Refusal("it ends the mask that reaches it, as the original layer did")
        scale = np.asarray(self.graph.layers[name].config["scale"], np.float64)
        source = self.calls[name][0].sources[0]
        if scale.ndim:
            shape = self.shapes.get(source)
            if shape is None or not shape[-1]:
                raise Refusal("it differs by channel, and the number of channels is not known")
            if len(shape) < 2 or scale.shape != shape[-1:]:
                raise Refusal("it has another number of channels than its tensor")
        return shortest(scale)

    @cached_property
    def calls(self) -> Mapping[str, list[Call]]:
        """The calls of each layer; an InputLayer has none."""
        found: dict[str, list[Call]] = {name: [] for name in self.graph.layers}
        for call in self.graph.calls:
            found[call.layer].append(call)
        return found

    @cached_property
    def consumer_counts(self) -> Mapping[Ref, int]:
        """The number of calls that consume each tensor; a call that takes it twice counts twice."""
        return Counter(source for call in self.graph.calls for source in call.sources)

    @cached_property
    def may_have_masks(self) -> bool:
        """Whether a mask may occur: a layer creates one, runs the user's code, or is called with one."""
        return (
            self.graph.has_masks
            or any(layer.kind == USER_CODE for layer in self.graph.layers.values())
            or any("mask" in call.kwargs for call in self.graph.calls)
        )

    def foldable_layer(self, name: str) -> Layer:
        """A layer into which, or through which, the scale may move.

        Raises:
            Refusal: The layer is called more than once, or computes in another dtype.
        """
        layer, count = self.graph.layers[name], len(self.calls[name])
        if count != 1:
            raise Refusal(f"'{name}' is shared: it is called {count} times")
        if compute_type(layer) != self.dtype:
            raise Refusal(f"'{name}' computes in {compute_type(layer)}, and the scale in {self.dtype}")
        return layer

    def shapes_before(self, call: Call) -> list[Shape | None]:
        """The shapes of a call's inputs, where they are known."""
        return [self.shapes.get(source) for source in call.sources]


def require_plain(call: Call) -> None:
    """Check that a call has one tensor as its only argument: no mask, no ``training``.

    Raises:
        Refusal: It has other arguments.
    """
    if len(call.args) != 1 or not isinstance(call.args[0], Ref) or call.kwargs:
        raise Refusal(f"'{call.layer}' is called with more than one tensor")


def require_list(call: Call) -> None:
    """Check that a call has one list of tensors as its only argument.

    Raises:
        Refusal: It has other arguments.
    """
    tensors = call.args[0] if len(call.args) == 1 else None
    if not isinstance(tensors, list | tuple) or len(tensors) != len(call.sources) or call.kwargs:
        raise Refusal(f"'{call.layer}' is called with more than a list of tensors")


def propagation_rule(layer: Layer) -> PropagationRule:
    """The rule by which a scale crosses a layer with one input.

    Raises:
        Refusal: No scale crosses such a layer.
    """
    if layer.kind in PROPAGATION_RULES:
        return PROPAGATION_RULES[layer.kind]
    kind = str(layer.config.get("activation") or layer.kind) if layer.kind == "Activation" else layer.kind
    raise Refusal(f"no scale crosses '{layer.name}' ({kind})")
