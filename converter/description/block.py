"""One model or nested model as the file states it: layers, calls, inputs and outputs, not yet inlined."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Call, Layer, Ref

Outputs: TypeAlias = list[tuple[str | None, Ref]]
"""Each output's key (None where outputs are not a dict) and tensor."""


@dataclass(frozen=True)
class Block:
    """A model whose layers may be models.

    Attributes:
        name: Its name in the file.
        layers: Layers and nested models by their names in the file.
        calls: In a workable order.
        inputs: Key and input tensor, in order.
        outputs: Key and output tensor, in order.
    """

    name: str
    layers: Mapping[str, "Layer | Block"]
    calls: tuple[Call, ...]
    inputs: Outputs
    outputs: Outputs


def tensors(structure: object, where: str) -> Outputs:
    """Read ``input_layers`` or ``output_layers``: ``[name, call, output]``, alone, in lists or in a dict.

    Raises:
        UnsafeFileError: It is none of these.
    """
    if isinstance(structure, Mapping) and structure.get("class_name") == "__keras_tensor__":
        return [(None, keras_tensor(structure, where))]
    if isinstance(structure, Mapping):
        found = [(key, tensors(structure[key], where)) for key in sorted(structure)]
        return [(str(key), ref) for key, entries in found for _, ref in entries]
    if not isinstance(structure, list):
        raise UnsafeFileError("names its inputs or outputs in an unknown way", where=where)
    if _is_history(structure):
        return [(None, Ref(structure[0], structure[1], structure[2]))]
    return [entry for item in structure for entry in tensors(item, where)]


def keras_tensor(value: Mapping[str, Any], where: str) -> Ref:
    """Read the tensor object of Keras 3."""
    config = value.get("config")
    history = config.get("keras_history") if isinstance(config, Mapping) else None
    if not _is_history(history):
        raise UnsafeFileError("takes a tensor that the file does not describe", where=where)
    assert isinstance(history, list)  # noqa: S101  tells the type checker what _is_history found
    return Ref(history[0], history[1], history[2])


def _is_history(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) in {3, 4}
        and isinstance(value[0], str)
        and all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in value[1:3])
        and (len(value) == 3 or isinstance(value[3], Mapping))
    )


def read_calls(entry: Mapping[str, Any], name: str) -> list[Call]:
    """The calls of one layer, from its ``inbound_nodes``.

    Raises:
        UnsafeFileError: They are written in an unknown way.
        UnsupportedError: A call asks for training behaviour, or takes a constant array.
    """
    where = f"layer '{name}'"
    nodes = entry.get("inbound_nodes", [])
    if not isinstance(nodes, list):
        raise UnsafeFileError("has malformed inbound_nodes", where=where)
    return [_call(node, name, index, where) for index, node in enumerate(nodes)]


def _call(node: object, name: str, index: int, where: str) -> Call:
    if isinstance(node, Mapping):  # Keras 3
        args = tuple(_argument(item, where) for item in node.get("args") or [])
        kwargs = {key: _argument(item, where) for key, item in (node.get("kwargs") or {}).items()}
    elif isinstance(node, list) and node:  # Keras 2: a list of histories, each with keyword arguments
        entries = [node] if _is_history(node) else node
        if not all(_is_history(item) for item in entries):
            raise UnsafeFileError("has malformed inbound_nodes", where=where)
        found = [Ref(item[0], item[1], item[2]) for item in entries]
        args = (found[0] if len(found) == 1 else found,)
        kwargs = {key: _legacy_argument(item, where) for key, item in (entries[0][3:] or [{}])[0].items()}
    else:
        raise UnsafeFileError("has malformed inbound_nodes", where=where)
    if kwargs.pop("training", None):
        raise UnsupportedError("is called with training=True, so its answers are random", where=where)
    return Call(name, index, args, {key: value for key, value in kwargs.items() if value is not None})


def _argument(value: object, where: str) -> Any:  # noqa: ANN401  JSON with tensors in it
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            return keras_tensor(value, where)
        if "class_name" in value:
            raise UnsupportedError(f"is called with a {value['class_name']!r:.40}", where=where)
        return {key: _argument(item, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_argument(item, where) for item in value]
    return value


def _legacy_argument(value: object, where: str) -> Any:  # noqa: ANN401  likewise
    if _is_history(value):
        assert isinstance(value, list)  # noqa: S101  tells the type checker what _is_history found
        return Ref(value[0], value[1], value[2])
    return _argument(value, where)


def in_order(calls: list[Call], inputs: Outputs, where: str) -> tuple[Call, ...]:
    """Order calls so that each takes only what stands before it.

    Raises:
        UnsafeFileError: A call takes a tensor that nothing makes, or calls form a circle.
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
