"""One graph as a scale sees it that walks through: who makes and takes each tensor, and which layers let it pass.

``back`` and ``forward`` walk in the two directions.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from converter.folding.precision import compute_type
from converter.folding.propagation_rules import PASSING, Passing
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale, Shape, shortest
from converter.graph import Call, Graph, Layer, Ref
from converter.user_code import USER_CODE


@dataclass(frozen=True)
class Walk:
    """One graph, seen by a scale.

    Attributes:
        graph: The model as it is.
        shapes: Of its tensors, where they are known.
        scales: The names of the Rescaling layers that may be taken away.
        kind: The type that the scale computes in; it goes into layers of the same type only.
    """

    graph: Graph
    shapes: Mapping[Ref, Shape]
    scales: frozenset[str]
    kind: str

    def carried(self, name: str) -> Scale:
        """The scale that a Rescaling puts on its tensor.

        Raises:
            Refusal: It has another duty as well; its numbers do not fit the channels, or the channels are not
                known.
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
        """The calls of each layer; an input has none."""
        found: dict[str, list[Call]] = {name: [] for name in self.graph.layers}
        for call in self.graph.calls:
            found[call.layer].append(call)
        return found

    @cached_property
    def takers(self) -> Mapping[Ref, int]:
        """How many calls take each tensor; one that takes it twice counts twice."""
        return Counter(source for call in self.graph.calls for source in call.sources)

    @cached_property
    def may_have_masks(self) -> bool:
        """Whether a layer makes a mask, may make one by the user's code, or is handed one."""
        return (
            self.graph.has_masks
            or any(layer.kind == USER_CODE for layer in self.graph.layers.values())
            or any("mask" in call.kwargs for call in self.graph.calls)
        )

    def own(self, name: str) -> Layer:
        """A layer that may be changed or crossed.

        Raises:
            Refusal: It is called more than once, or computes in another type.
        """
        layer, count = self.graph.layers[name], len(self.calls[name])
        if count != 1:
            raise Refusal(f"'{name}' is shared: it is called {count} times")
        if compute_type(layer) != self.kind:
            raise Refusal(f"'{name}' computes in {compute_type(layer)}, and the scale in {self.kind}")
        return layer

    def shapes_before(self, call: Call) -> list[Shape | None]:
        """The shapes of the tensors that a call takes, where they are known."""
        return [self.shapes.get(source) for source in call.sources]


def require_plain(call: Call) -> None:
    """Check that a call takes one tensor and nothing beside it, such as a mask or ``training``.

    Raises:
        Refusal: It takes more.
    """
    if len(call.args) != 1 or not isinstance(call.args[0], Ref) or call.kwargs:
        raise Refusal(f"'{call.layer}' is called with more than one tensor")


def require_list(call: Call) -> None:
    """Check that a call takes one list of tensors and nothing beside it.

    Raises:
        Refusal: It takes something else.
    """
    tensors = call.args[0] if len(call.args) == 1 else None
    if not isinstance(tensors, list | tuple) or len(tensors) != len(call.sources) or call.kwargs:
        raise Refusal(f"'{call.layer}' is called with more than a list of tensors")


def passing(layer: Layer) -> Passing:
    """How a scale crosses a layer with one input.

    Raises:
        Refusal: It does not.
    """
    if layer.kind in PASSING:
        return PASSING[layer.kind]
    kind = str(layer.config.get("activation") or layer.kind) if layer.kind == "Activation" else layer.kind
    raise Refusal(f"no scale crosses '{layer.name}' ({kind})")
