"""Trace without XLA: a function that XLA must compile stays a call, and tf2onnx knows no calls."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf


@contextmanager
def without_xla() -> Iterator[None]:
    """Let ``tf.function`` ignore ``jit_compile`` for the while.

    Keras makes a grouped convolution such a function, as some TensorFlow kernels for the CPU know no groups.
    Without the mark it is inlined when the graph is frozen. What is traced here is for conversion: TensorFlow
    itself may be unable to run it. The change holds for the whole process, so trace in one thread.
    """
    original = tf.function

    def function(func: Callable[..., Any] | None = None, **options: Any) -> Any:  # noqa: ANN401  as tf.function
        return original(func, **options | {"jit_compile": None})

    tf.function = function
    try:
        yield
    finally:
        tf.function = original
