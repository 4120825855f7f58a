"""Keeps tf2onnx from replacing transposes by reshapes where some sizes are 1."""

from collections.abc import Iterator
from contextlib import contextmanager

from tf2onnx.optimizer.transpose_optimizer import TransposeOptimizer


@contextmanager
def kept_transposes() -> Iterator[None]:
    """Keep tf2onnx from turning a transpose that moves only sizes of 1 into a reshape, in this block.

    It takes the sizes from its records, and those of ``Mul(x, x)``, a square, are still in the old order after a
    transpose was moved past it. Images of one pixel before a LayerNormalization then get a Reshape to
    (batch, 1, channels, 1) for one to (batch, 1, 1, channels): the variance is taken over one value. A transpose
    needs no sizes, and onnxruntime runs such a transpose as a reshape anyway. The change affects the whole
    process: convert in one thread.
    """
    original = TransposeOptimizer.post_optimize_action
    TransposeOptimizer.post_optimize_action = lambda _: None
    try:
        yield
    finally:
        TransposeOptimizer.post_optimize_action = original
