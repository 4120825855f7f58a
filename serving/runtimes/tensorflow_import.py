"""Importing TensorFlow without what it takes along because it is there, and without files below the home folder."""

import contextlib
import os
import sys
from collections.abc import Iterator

_BESIDE = ("keras", "tf_keras")
"""No SavedModel needs Keras here. It would bring plotting libraries, which look for fonts and keep caches."""

_NOWHERE = f"{os.devnull}/keras"
"""A folder that cannot be made: TensorFlow's own copy of Keras writes its settings where this variable says."""


@contextlib.contextmanager
def bare() -> Iterator[None]:
    """Packages that are not imported yet seem not to be installed, and settings have no place."""
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
