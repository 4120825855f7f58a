"""Imports TensorFlow without Keras, and without creating files in the home folder."""

import contextlib
import os
import sys
from collections.abc import Iterator

_BESIDE = ("keras", "tf_keras")
"""Hidden from TensorFlow: no SavedModel needs Keras here, and Keras imports plotting libraries that write caches."""

_NOWHERE = f"{os.devnull}/keras"
"""A folder that cannot be created, for KERAS_HOME: TensorFlow's own copy of Keras writes its settings there."""


@contextlib.contextmanager
def without_keras() -> Iterator[None]:
    """While this is open, Keras looks as if it were not installed, and its settings cannot be written."""
    hidden = [name for name in _BESIDE if name not in sys.modules]
    before = os.environ.get("KERAS_HOME")
    os.environ["KERAS_HOME"] = _NOWHERE
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        if before is None:
            del os.environ["KERAS_HOME"]
        else:
            os.environ["KERAS_HOME"] = before
