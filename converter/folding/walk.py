"""Follows a scale through the graph, back to the layers that make its tensor or forward to the one that takes it.

A tensor that is an output of the model or has two takers, and a layer that is called twice, stop it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from converter.folding.linear import LINEAR
from converter.folding.merging import SUMS, joined, parts, require_same_for_all
from converter.folding.passing import PASSING, Passing
from converter.folding.precision import compute_type
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale, Shape, shortest
from converter.graph import Call, Graph, Layer, Ref


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

    def back(self, ref: Ref, scale: Scale) -> list[Layer]:
        """The changed layers that make ``scale * tensor`` where ``tensor`` was made.

        Raises:
            Refusal: There are none.
        """
        changed, pending = [], [(ref, scale)]
        while pending:
            at, part = pending.pop()
            layer, call = self._alone(at)
            if layer.kind in LINEAR:
                _require_plain(call)
                changed.append(LINEAR[layer.kind].output(layer, part, self.shapes.get(at)))
            else:
                pending += self._sources(layer, call, part)
        return changed

    def forward(self, ref: Ref, scale: Scale) -> tuple[list[Layer], list[str]]:
        """What changes so that ``tensor`` may be taken where ``scale * tensor`` was taken.

        Returns:
            The changed layers, and the other scales that go with this one, on the other branches of a sum.

        Raises:
            Refusal: It cannot be.
        """
        with_it: list[str] = []
        while True:
            call = self._only_taker(ref)
            layer = self.graph.layers[call.layer]
            if layer.kind in SUMS or layer.kind == "Concatenate":
                scale = self._merged(layer, call, ref, scale, with_it)
            else:
                if layer.kind in LINEAR:
                    _require_plain(call)
                    return [LINEAR[layer.kind].input(layer, scale, self.shapes.get(ref))], with_it
                passing, after = _passing(layer), Ref(layer.name, call.index)
                _require_plain(call)
                scale = passing.forward(layer, scale, self.shapes.get(ref), self.shapes.get(after))
            ref = Ref(layer.name, call.index)

    def carried(self, name: str) -> Scale:
        """The scale that a Rescaling puts on its tensor.

        Raises:
            Refusal: It has another duty as well; its numbers do not fit the channels, or the channels are not
                known.
        """
        if self.graph.layers[name].stops_mask:
            raise Refusal("it ends the mask that reaches it, as the original layer did")
        scale = np.asarray(self.graph.layers[name].config["scale"], np.float64)
        source = self._calls[name][0].sources[0]
        if scale.ndim:
            shape = self.shapes.get(source)
            if shape is None or not shape[-1]:
                raise Refusal("it differs by channel, and the number of channels is not known")
            if len(shape) < 2 or scale.shape != shape[-1:]:
                raise Refusal("it has another number of channels than its tensor")
        return shortest(scale)

    @cached_property
    def _calls(self) -> Mapping[str, list[Call]]:
        """The calls of each layer; an input has none."""
        found: dict[str, list[Call]] = {name: [] for name in self.graph.layers}
        for call in self.graph.calls:
            found[call.layer].append(call)
        return found

    @cached_property
    def _takers(self) -> Mapping[Ref, list[Call]]:
        """The calls that take each tensor; one that takes it twice stands there twice."""
        found: dict[Ref, list[Call]] = defaultdict(list)
        for call in self.graph.calls:
            for source in call.sources:
                found[source].append(call)
        return found

    def _merged(self, layer: Layer, call: Call, ref: Ref, scale: Scale, with_it: list[str]) -> Scale:
        """The scale after a merge; in a sum every other branch must carry the same."""
        _require_list(call)
        shapes = [self.shapes.get(source) for source in call.sources]
        if layer.kind == "Concatenate":
            return joined(layer, scale, shapes, call.sources.index(ref))
        require_same_for_all(layer, scale, shapes)
        try:
            with_it += self._carriers([(source, scale) for source in call.sources if source != ref])
        except Refusal as refusal:
            raise Refusal(f"another branch of '{layer.name}' does not carry it: {refusal}") from refusal
        return scale

    def _carriers(self, pending: list[tuple[Ref, Scale]]) -> list[str]:
        """The scales that put just these on these tensors."""
        found = []
        while pending:
            at, scale = pending.pop()
            layer, call = self._alone(at)
            if layer.name in self.scales and np.array_equal(self.carried(layer.name), scale):
                found.append(layer.name)
            else:
                pending += self._sources(layer, call, scale)
        return found

    def _sources(self, layer: Layer, call: Call, scale: Scale) -> list[tuple[Ref, Scale]]:
        """The tensors that a layer takes, and the scale that each must get for its output to have this one."""
        if layer.kind in SUMS or layer.kind == "Concatenate":
            _require_list(call)
            shapes = [self.shapes.get(source) for source in call.sources]
            if layer.kind == "Concatenate":
                return list(zip(call.sources, parts(layer, scale, shapes), strict=True))
            require_same_for_all(layer, scale, shapes)
            return [(source, scale) for source in call.sources]
        passing = _passing(layer)
        _require_plain(call)
        source, made = call.sources[0], Ref(call.layer, call.index)
        return [(source, passing.back(layer, scale, self.shapes.get(source), self.shapes.get(made)))]

    def _alone(self, ref: Ref) -> tuple[Layer, Call]:
        """What makes a tensor that nothing else takes."""
        calls = self._calls[ref.layer]
        if not calls:
            raise Refusal(f"'{ref.layer}' is an input of the model")
        if self.graph.is_output(ref):
            raise Refusal(f"'{ref.layer}' is an output of the model")
        self._only_taker(ref)
        layer = self.graph.layers[ref.layer]
        self._require_own(layer)
        return layer, calls[0]

    def _only_taker(self, ref: Ref) -> Call:
        if self.graph.is_output(ref):
            raise Refusal("it is an output of the model")
        takers = self._takers.get(ref, [])
        if len(takers) != 1:
            raise Refusal(f"the output of '{ref.layer}' has {len(takers)} takers")
        self._require_own(self.graph.layers[takers[0].layer])
        return takers[0]

    def _require_own(self, layer: Layer) -> None:
        count = len(self._calls[layer.name])
        if count != 1:
            raise Refusal(f"'{layer.name}' is shared: it is called {count} times")
        if compute_type(layer) != self.kind:
            raise Refusal(f"'{layer.name}' computes in {compute_type(layer)}, and the scale in {self.kind}")


def _require_plain(call: Call) -> None:
    """One tensor and nothing beside it, such as a mask or ``training``."""
    if len(call.args) != 1 or not isinstance(call.args[0], Ref) or call.kwargs:
        raise Refusal(f"'{call.layer}' is called with more than one tensor")


def _require_list(call: Call) -> None:
    """One list of tensors and nothing beside it."""
    tensors = call.args[0] if len(call.args) == 1 else None
    if not isinstance(tensors, list | tuple) or len(tensors) != len(call.sources) or call.kwargs:
        raise Refusal(f"'{call.layer}' is called with more than a list of tensors")


def _passing(layer: Layer) -> Passing:
    if layer.kind in PASSING:
        return PASSING[layer.kind]
    kind = str(layer.config.get("activation") or layer.kind) if layer.kind == "Activation" else layer.kind
    raise Refusal(f"no scale crosses '{layer.name}' ({kind})")
