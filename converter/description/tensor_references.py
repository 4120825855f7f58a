"""Reads references to tensors in a model file: a layer, the number of its call, the number of the output."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from converter.errors import UnsafeFileError
from converter.graph import Ref

Outputs: TypeAlias = list[tuple[str | None, Ref]]
"""Each output's key (None where outputs are not a dict) and tensor."""


def read_tensors(structure: object, where: str) -> Outputs:
    """Read ``input_layers`` or ``output_layers``: ``[name, call, output]``, alone, in lists or in a dict.

    Raises:
        UnsafeFileError: It is none of these.
    """
    if isinstance(structure, Mapping) and structure.get("class_name") == "__keras_tensor__":
        return [(None, keras_tensor(structure, where))]
    if isinstance(structure, Mapping):
        found = [(key, read_tensors(structure[key], where)) for key in sorted(structure)]
        return [(str(key), ref) for key, entries in found for _, ref in entries]
    if not isinstance(structure, list):
        raise UnsafeFileError("names its inputs or outputs in an unknown way", where=where)
    if is_history(structure):
        return [(None, Ref(structure[0], structure[1], structure[2]))]
    return [entry for item in structure for entry in read_tensors(item, where)]


def keras_tensor(value: Mapping[str, Any], where: str) -> Ref:
    """Read the tensor object of Keras 3."""
    config = value.get("config")
    history = config.get("keras_history") if isinstance(config, Mapping) else None
    if not is_history(history):
        raise UnsafeFileError("takes a tensor that the file does not describe", where=where)
    assert isinstance(history, list)  # noqa: S101  tells the type checker what is_history found
    return Ref(history[0], history[1], history[2])


def is_history(value: object) -> bool:
    """Whether a value is ``[layer, call, output]``, perhaps with keyword arguments."""
    return (
        isinstance(value, list)
        and len(value) in {3, 4}
        and isinstance(value[0], str)
        and all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in value[1:3])
        and (len(value) == 3 or isinstance(value[3], Mapping))
    )
