"""A model or nested model as the file states it: layers, calls, inputs and outputs, before inlining."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass

from converter.description.tensor_references import Outputs
from converter.errors import UnsafeFileError
from converter.graph import Call, Layer


@dataclass(frozen=True)
class Block:
    """A model whose layers may be models.

    Attributes:
        name: Its name in the file.
        layers: Layers and nested models by their names in the file.
        calls: The calls in topological order.
        inputs: Key and input tensor, in order.
        outputs: Key and output tensor, in order.
    """

    name: str
    layers: Mapping[str, "Layer | Block"]
    calls: tuple[Call, ...]
    inputs: Outputs
    outputs: Outputs


def numbered_as_taken(calls: list[Call], models: set[str], outputs: Outputs) -> list[Call]:
    """Number the calls of nested models in the way in which their consumers refer to them.

    A functional model has an implicit call from its construction, so the stored calls begin with number 1; those of a
    Sequential begin with 0 or 1, depending on the version of Keras.
    """
    taken = [ref for call in calls for ref in call.sources] + [ref for _, ref in outputs]
    first = {name: min((ref.call for ref in taken if ref.layer == name), default=0) for name in models}
    return [Call(call.layer, call.index + first.get(call.layer, 0), call.args, call.kwargs) for call in calls]


def in_order(calls: list[Call], inputs: Outputs, where: str) -> tuple[Call, ...]:
    """Sort calls topologically.

    Raises:
        UnsafeFileError: A call takes a tensor that no call produces, or calls form a cycle.
    """
    waiting: dict[tuple[str, int], list[Call]] = defaultdict(list)
    missing: dict[tuple[str, int], int] = {}
    ready = deque((ref.layer, ref.call) for _, ref in inputs)
    by_key = {(call.layer, call.index): call for call in calls}
    for key, call in by_key.items():
        needed = {(ref.layer, ref.call) for ref in call.sources}
        missing[key] = len(needed)
        if not needed:
            ready.append(key)
        for source in needed:
            waiting[source].append(call)
    ordered: list[Call] = []
    while ready:
        done = ready.popleft()
        if done in by_key:
            ordered.append(by_key[done])
        for call in waiting.pop(done, []):
            key = (call.layer, call.index)
            missing[key] -= 1
            if missing[key] == 0:
                ready.append(key)
    if len(ordered) != len(by_key):
        stuck = next(iter(set(by_key) - {(call.layer, call.index) for call in ordered}))
        raise UnsafeFileError(
            "takes a tensor that nothing in the model makes", where=f"{where}: layer '{stuck[0]}'"
        )
    return tuple(ordered)
