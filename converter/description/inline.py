"""Inlines nested models: turns blocks into one flat graph, with layers named ``outer/inner``."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from converter.description.block import Block
from converter.errors import UnsafeFileError
from converter.graph import Call, Graph, Layer, Ref, map_refs

_MOST_CALLS = 20_000  # nested models that each call the next one twice grow exponentially


def inline(block: Block) -> Graph:
    """Flatten a model.

    A nested model that is called twice adds its layers once and their calls twice, so that shared layers stay shared.
    The InputLayers of the model itself are kept; those of nested models are removed.

    Raises:
        UnsafeFileError: A call takes an output that its layer does not have.
    """
    flat = _Flat()
    feeds: list[Ref] = []
    for _, ref in block.inputs:
        layer = block.layers[ref.layer]
        assert isinstance(layer, Layer)  # noqa: S101  the reader checked that inputs are InputLayers
        flat.layers[layer.name] = layer
        feeds.append(Ref(layer.name))
    made = flat.add(block, feeds)
    names = public_names([key or ref.layer for key, ref in block.outputs])
    inputs = [(key or ref.layer, Ref(ref.layer)) for key, ref in block.inputs]
    return Graph(
        block.name,
        flat.layers,
        tuple(flat.calls),
        tuple(inputs),
        tuple(zip(names, made, strict=True)),
    )


@dataclass
class _Flat:
    layers: dict[str, Layer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    count: Counter[str] = field(default_factory=Counter)
    models: int = 0

    def add(self, block: Block, feeds: list[Ref]) -> list[Ref]:
        """Add one call of a model and return its outputs."""
        self._require_few_calls()
        known: dict[Ref, Ref] = {local: feed for (_, local), feed in zip(block.inputs, feeds, strict=True)}

        def resolve(local: Ref) -> Ref:
            layer = block.layers.get(local.layer)
            if local in known:
                return known[local]
            first = known.get(Ref(local.layer, local.call))
            if first is None or isinstance(layer, Block):
                raise UnsafeFileError(
                    f"takes output {local.output} of '{local.layer}'", where=f"model '{block.name}'"
                )
            return Ref(first.layer, first.call, local.output)

        for call in block.calls:
            target = block.layers[call.layer]
            if isinstance(target, Block):
                given = [resolve(ref) for ref in call.sources]
                if len(given) != len(target.inputs):
                    raise UnsafeFileError(
                        f"gets {len(given)} inputs where it has {len(target.inputs)}",
                        where=f"model '{target.name}'",
                    )
                for number, ref in enumerate(self.add(target, given)):
                    known[Ref(call.layer, call.index, number)] = ref
                continue
            known[Ref(call.layer, call.index)] = self._add_call(target, call, resolve)
        return [resolve(ref) for _, ref in block.outputs]

    def _require_few_calls(self) -> None:
        self.models += 1
        if self.models > _MOST_CALLS or len(self.calls) > _MOST_CALLS:
            raise UnsafeFileError(
                f"calls more than {_MOST_CALLS:,} layers, as models inside models can", where="the model"
            )

    def _add_call(self, layer: Layer, call: Call, resolve: Callable[[Ref], Ref]) -> Ref:
        """Add one call of a layer, with its arguments resolved, and return its first output."""
        if self.layers.setdefault(layer.name, layer) is not layer:
            raise UnsafeFileError(f"has two layers named '{layer.name}'", where="the model")
        index = self.count[layer.name]
        self.count[layer.name] += 1
        args = tuple(map_refs(argument, resolve) for argument in call.args)
        kwargs = {key: map_refs(argument, resolve) for key, argument in call.kwargs.items()}
        self.calls.append(Call(layer.name, index, args, kwargs))
        return Ref(layer.name, index)


def public_names(names: list[str]) -> list[str]:
    """Names made unique: a repeat gets ``_1``, ``_2``."""
    taken: set[str] = set()
    result = []
    for name in names:
        number, unique = 0, name
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        result.append(unique)
    return result
