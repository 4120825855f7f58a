"""Traces without XLA: a function that XLA must compile stays a call, which tf2onnx does not support."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf


@contextmanager
def without_xla() -> Iterator[None]:
    """Make ``tf.function`` ignore ``jit_compile`` in this block.

    Keras compiles a grouped convolution with XLA, as some CPU kernels of TensorFlow do not support groups. Without
    ``jit_compile`` it is inlined when the graph is frozen. The trace is for conversion only: TensorFlow itself may be
    unable to run it. The change affects the whole process: trace in one thread.
    """
    original = tf.function

    def function(func: Callable[..., Any] | None = None, **options: Any) -> Any:  # noqa: ANN401  as tf.function
        return original(func, **options | {"jit_compile": None})

    tf.function = function
    try:
        yield
    finally:
        tf.function = original
