"""Unrolls recurrent layers while they are traced: TFLite has no loop over the steps of a batch of free size."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import keras

from converter.errors import UnsupportedError
from converter.signature import Signature, TensorSpec

Tensor: TypeAlias = Any

MOST_STEPS = 1000
"""The limit for all recurrent layers together. A step of an LSTM is 14 operators and 2 KiB, and takes 0.07 s of CPU
time to convert, so that 1,000 steps take a minute. An interpreter takes a second to load 2,000 steps."""


class Unrolling:
    """The recurrent layers that were unrolled.

    Attributes:
        steps: Number of steps traced, of all layers together.
        free: A layer whose number of steps is free; empty if there is none.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.free = ""

    def take(self, layer: str, steps: int | None) -> bool:
        """Count a layer; False if it is not unrolled, because the model will be refused."""
        if steps is None:
            self.free = self.free or layer
        else:
            self.steps += steps
        return not self.free and self.steps <= MOST_STEPS

    def require(self, model: keras.Model, signature: Signature) -> None:
        """Check that every layer could be unrolled.

        Raises:
            UnsupportedError: A number of steps is free, or they are too many; the hint has the option to give.
        """
        if self.free:
            raise UnsupportedError(
                "its number of steps is free, and TFLite has no loop over steps where the batch is free too",
                where=f"layer '{self.free}'",
                hint=f"Say how many steps: {_what_to_type(model, signature)}. Or fix the batch: --batch 1.",
            )
        if self.steps > MOST_STEPS:
            raise UnsupportedError(
                f"its recurrent layers take {self.steps:,} steps in all, and TFLite has no loop over steps where "
                f"the batch is free; written out, more than {MOST_STEPS:,} are too large a graph",
                where="tflite",
                hint="Fix the batch, and they stay loops: --batch 1. Or choose another format with --to.",
            )


@contextmanager
def unrolled(signature: Signature) -> Iterator[Unrolling]:
    """Unroll recurrent layers in this block, if the batch is free; with a fixed batch the loop of TFLite works.

    All layers that are traced in the block are unrolled, in wrappers too: convert in one thread.
    """
    found = Unrolling()
    if not any(spec.shape and spec.shape[0] is None for spec in signature.inputs):
        yield found
        return
    original = keras.layers.RNN.inner_loop

    def inner_loop(
        layer: keras.layers.RNN,
        sequences: Tensor,
        initial_state: Tensor,
        mask: Tensor | None,
        training: bool = False,  # noqa: FBT001, FBT002  as Keras calls it
    ) -> Tensor:
        if layer.unroll or not found.take(layer.name, sequences.shape[1]):
            return original(layer, sequences, initial_state, mask, training=training)
        backwards = layer.go_backwards
        if backwards and mask is not None:
            # For an unrolled layer, Keras zeroes masked steps as if they had come forwards.
            sequences, mask = keras.ops.flip(sequences, 1), keras.ops.flip(mask, 1)
            layer.go_backwards = False
        layer.unroll = True
        try:
            return original(layer, sequences, initial_state, mask, training=training)
        finally:
            layer.unroll, layer.go_backwards = False, backwards

    keras.layers.RNN.inner_loop = inner_loop
    try:
        yield found
    finally:
        keras.layers.RNN.inner_loop = original


def _what_to_type(model: keras.Model, signature: Signature) -> str:
    """An ``--input-shape`` for each input whose second axis is free.

    The command knows inputs by the names in the file. A model's only input needs no name, should the format
    have changed it.
    """
    names = [tensor.name for tensor in model.inputs]
    if len(names) == 1 and names[0] != signature.inputs[0].name:
        names = [""]
    free = [
        (name, spec)
        for name, spec in zip(names, signature.inputs, strict=True)
        if len(spec.shape) > 1 and spec.shape[1] is None
    ]
    return " ".join(f"--input-shape {name}{'=' if name else ''}{_sizes(spec)}" for name, spec in free)


def _sizes(spec: TensorSpec) -> str:
    return ",".join(["STEPS", *("?" if size is None else str(size) for size in spec.shape[2:])])
