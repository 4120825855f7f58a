"""Masks of the model that is built: merging them as Keras 2 does, and naming the operations that compute them.

A mask says which steps of a sequence count. Where several tensors are merged,

    Add, Multiply, ...   Keras 2: a step counts if it counts in every input that has a mask
                         Keras 3: if it counts in any input; an input without a mask stops the mask
    Concatenate          Keras 2: all of the masks, side by side along the axis; Keras 3: any of them
"""

import functools
from typing import Any

import keras
from keras import ops

_Mask = Any  # a Keras tensor, or None


def join_as_keras_2(merge: keras.layers.Layer) -> None:
    """Make a merging layer compute its mask as Keras 2 did."""
    merge.compute_mask = (
        functools.partial(_side_by_side, merge.axis)
        if isinstance(merge, keras.layers.Concatenate)
        else _where_all_count
    )


def name_masks(made: Any, taken: Any, name: str) -> None:  # noqa: ANN401  Keras tensors in any structure
    """Name the operations that compute the masks of what a layer made.

    The names of Keras count over the whole process, and one could equal the name of a layer of the model.

    Args:
        made: The outputs of the layer.
        taken: Its arguments; their tensors and masks are named already.
        name: The layer's name.
    """
    known = {id(tensor) for given in keras.tree.flatten(taken) for tensor in (given, _mask_of(given))}
    waiting = [_mask_of(tensor) for tensor in keras.tree.flatten(made)]
    number = 0
    while waiting:
        tensor = waiting.pop()
        history = getattr(tensor, "_keras_history", None)
        if id(tensor) in known or history is None or isinstance(history.operation, keras.layers.Layer):
            continue
        known.add(id(tensor))
        history.operation.name = f"{name}.mask_{number}"
        number += 1
        waiting += history.operation._inbound_nodes[history.node_index].input_tensors  # noqa: SLF001  no public way


def _mask_of(tensor: Any) -> _Mask:  # noqa: ANN401  a Keras tensor, or a plain value
    return getattr(tensor, "_keras_mask", None)


def _where_all_count(inputs: list[Any], mask: list[_Mask] | None = None) -> _Mask:
    del inputs
    present = [item for item in mask or [] if item is not None]
    return functools.reduce(ops.logical_and, present) if present else None


def _side_by_side(axis: int, inputs: list[Any], mask: list[_Mask] | None = None) -> _Mask:
    if mask is None or all(item is None for item in mask):
        return None
    parts = [
        ops.ones_like(tensor, dtype="bool") if item is None else _as_deep(item, tensor)
        for tensor, item in zip(inputs, mask, strict=True)
    ]
    return ops.all(ops.concatenate(parts, axis=axis), axis=-1)


def _as_deep(mask: _Mask, tensor: Any) -> _Mask:  # noqa: ANN401  a Keras tensor
    return ops.expand_dims(mask, -1) if mask.ndim < tensor.ndim else mask
