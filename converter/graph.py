"""The converter's intermediate representation: a model as layers, the calls between them, inputs and outputs.

Every stage between the model file and Keras takes and returns such a graph: it is read from the archive, lowered,
folded, and finally built as a Keras model. Nested models are inlined, so a graph is flat. A shared layer is one
``Layer`` with several ``Call``s. All values are immutable; methods return changed copies.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

from converter.activations import Activation
from converter.archive import Weight


@dataclass(frozen=True)
class Ref:
    """A reference to one tensor: output number ``output`` of call number ``call`` of a layer."""

    layer: str
    call: int = 0
    output: int = 0


Argument: TypeAlias = Any
"""A ``Ref``, a plain value, or lists and dicts of them."""


@dataclass(frozen=True, eq=False)
class SerializedObject:
    """A class or function as the file stores it; the user's code may define it (``--custom-objects``).

    Attributes:
        name: Its name, without the package that it is registered in.
        config: The options of a class; None for a function.
        weights: Its stored weights, by path.
    """

    name: str
    config: Mapping[str, Any] | None = None
    weights: Mapping[str, Weight] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        name: Unique in the graph; ``outer/inner`` for a layer of a nested model.
        kind: The name of the class in ``keras.layers``. An operation of ``keras.ops`` has the kind
            ``ops.<function>``.
        config: Constructor arguments as plain values, without name, dtype and initializers. A wrapped layer or
            cell is a ``Layer`` here, or a list of them; its weights are stored with the wrapper's.
        policy: The dtype policy, such as ``float32`` or ``mixed_float16``.
        weights: Stored weights by path, such as ``vars/0`` or ``cell/vars/1``.
        activations: Recognised activations among the constructor arguments, by argument. A layer that only
            applies an activation has the kind ``Activation``.
        serialized_objects: The class or function that the file stores for each of those activations, by argument,
            if it has a name. The key ``""`` stands for the layer itself.
        stops_mask: The original layer does not pass on a mask that reaches it.
        joins_masks_as_keras_2: A merging layer of Keras 2, which combines masks differently from Keras 3.
        same_dtype: An operation of Keras 2, whose inputs and outputs all have one dtype.
    """

    name: str
    kind: str
    config: Mapping[str, Any] = field(default_factory=dict)
    policy: str = "float32"
    weights: Mapping[str, Weight] = field(default_factory=dict)
    activations: Mapping[str, Activation] = field(default_factory=dict)
    serialized_objects: Mapping[str, SerializedObject] = field(default_factory=dict)
    stops_mask: bool = False
    joins_masks_as_keras_2: bool = False
    same_dtype: bool = False

    def but(self, **changes: Any) -> "Layer":  # noqa: ANN401  any field
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    @property
    def makes_mask(self) -> bool:
        """Whether this layer, or a layer that it wraps, creates a mask from its input."""
        return any(
            part.kind == "Masking" or (part.kind == "Embedding" and bool(part.config.get("mask_zero")))
            for part in self.with_parts()
        )

    def with_parts(self) -> Iterator["Layer"]:
        """This layer, then the layers that it wraps, at any depth."""
        yield self
        for value in self.config.values():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, Layer):
                    yield from item.with_parts()

    def map_parts(self, change: Callable[["Layer"], "Layer"]) -> "Layer":
        """A copy whose wrapped layers are replaced, one level deep."""

        def changed(value: Any) -> Any:  # noqa: ANN401  a constructor argument
            if isinstance(value, list):
                return [changed(item) for item in value]
            return change(value) if isinstance(value, Layer) else value

        return self.but(config={key: changed(value) for key, value in self.config.items()})


@dataclass(frozen=True)
class Call:
    """Call number ``index`` of a layer, with positional and keyword arguments."""

    layer: str
    index: int
    args: tuple[Argument, ...]
    kwargs: Mapping[str, Argument] = field(default_factory=dict)

    @cached_property
    def sources(self) -> tuple[Ref, ...]:
        """The tensors among the arguments, in order."""
        return tuple(refs((self.args, self.kwargs)))

    def mapped(self, change: Callable[[Ref], Ref]) -> "Call":
        """A copy with every tensor replaced."""
        args = tuple(map_refs(argument, change) for argument in self.args)
        kwargs = {key: map_refs(argument, change) for key, argument in self.kwargs.items()}
        return dataclasses.replace(self, args=args, kwargs=kwargs)


@dataclass(frozen=True)
class Graph:
    """A whole model.

    Attributes:
        name: The model's name.
        layers: The layers, by name.
        calls: The calls in topological order. Inputs have no call.
        inputs: Public name and tensor of each input, in order.
        outputs: Public name and tensor of each output, in order.
    """

    name: str
    layers: Mapping[str, Layer]
    calls: tuple[Call, ...]
    inputs: tuple[tuple[str, Ref], ...]
    outputs: tuple[tuple[str, Ref], ...]

    def but(self, **changes: Any) -> "Graph":  # noqa: ANN401  any field
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def with_layer(self, layer: Layer) -> "Graph":
        """A copy with one layer replaced."""
        return self.but(layers={**self.layers, layer.name: layer})

    def free_name(self, wanted: str) -> str:
        """A name that no layer has: the wanted one, with a number appended if it is in use."""
        name, number = wanted, 0
        while name in self.layers:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def replaced(self, name: str, chain: Sequence[Layer]) -> "Graph":
        """A copy with a chain of layers in place of one layer.

        The first layer of the chain gets the inputs of the replaced layer, each of the others gets the output of
        the one before it, and the consumers of the replaced layer get the output of the last.
        """
        layers: dict[str, Layer] = {}
        for key, existing in self.layers.items():
            layers.update({layer.name: layer for layer in chain} if key == name else {key: existing})

        def renamed(ref: Ref) -> Ref:
            return Ref(chain[-1].name, ref.call, ref.output) if ref.layer == name else ref

        calls: list[Call] = []
        for call in self.calls:
            moved = call.mapped(renamed)
            if call.layer != name:
                calls.append(moved)
                continue
            calls.append(dataclasses.replace(moved, layer=chain[0].name))
            calls += [
                Call(after.name, call.index, (Ref(before.name, call.index),))
                for before, after in pairwise(chain)
            ]
        outputs = tuple((public, renamed(ref)) for public, ref in self.outputs)
        return self.but(layers=layers, calls=tuple(calls), outputs=outputs)

    def without(self, name: str) -> "Graph":
        """A copy without a layer that has one input; the consumers of its output get its input instead."""
        passed = {(call.layer, call.index): call.sources[0] for call in self.calls if call.layer == name}

        def around(ref: Ref) -> Ref:
            return passed.get((ref.layer, ref.call), ref)

        return self.but(
            layers={key: layer for key, layer in self.layers.items() if key != name},
            calls=tuple(call.mapped(around) for call in self.calls if call.layer != name),
            outputs=tuple((public, around(ref)) for public, ref in self.outputs),
        )

    def calls_of(self, name: str) -> list[Call]:
        """Every call of a layer."""
        return [call for call in self.calls if call.layer == name]

    @property
    def has_masks(self) -> bool:
        """Whether any layer creates a mask."""
        return any(layer.makes_mask for layer in self.layers.values())

    def consumers(self, ref: Ref) -> list[Call]:
        """The calls that consume a tensor; a call that takes it twice is listed twice."""
        return [call for call in self.calls for source in call.sources if source == ref]

    def is_output(self, ref: Ref) -> bool:
        """Whether a tensor is an output of the model."""
        return any(ref == output for _, output in self.outputs)


def refs(argument: Argument) -> Iterator[Ref]:
    """Every tensor in an argument, in order."""
    if isinstance(argument, Ref):
        yield argument
    elif isinstance(argument, list | tuple):
        for item in argument:
            yield from refs(item)
    elif isinstance(argument, Mapping):
        for item in argument.values():
            yield from refs(item)


def map_refs(argument: Argument, change: Callable[[Ref], Any]) -> Argument:
    """An argument with every tensor replaced."""
    if isinstance(argument, Ref):
        return change(argument)
    if isinstance(argument, list | tuple):
        return type(argument)(map_refs(item, change) for item in argument)
    if isinstance(argument, Mapping):
        return {key: map_refs(item, change) for key, item in argument.items()}
    return argument
