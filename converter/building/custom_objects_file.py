"""Runs the Python file given with ``--custom-objects``, and collects what it defines.

The file belongs to the user and is run; nothing of the model file is.
"""

import runpy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from converter.errors import UsageError

# Names that a file imports from these packages are not the user's own.
_LIBRARIES = frozenset(
    {"keras", "tf_keras", "tensorflow", "numpy", "jax", "torch", "scipy", "builtins", "math"}
)


@dataclass(frozen=True)
class CustomObjects:
    """The classes and functions that a user's file defines.

    Attributes:
        path: The file.
        names: They by name, and those that it registers with Keras by the registered name.
    """

    path: Path
    names: Mapping[str, Any]


def load_custom_objects(path: Path) -> CustomObjects:
    """Run a Python file and return what it defines.

    Raises:
        UsageError: The file raises an exception.
    """
    # Keras warns whenever such a class stops a mask; the original stops it as well.
    warnings.filterwarnings(
        "ignore", message="Layer .* was passed an input with a mask", category=UserWarning
    )
    registry = keras.saving.get_custom_objects()
    before = dict(registry)
    try:
        defined = runpy.run_path(str(path))
    except Exception as error:
        raise UsageError(
            f"raised {type(error).__name__}: {error}", where=f"--custom-objects {path}"
        ) from error
    names = {name: value for name, value in defined.items() if _is_users(value)}
    registered = {name: value for name, value in registry.items() if before.get(name) is not value}
    bare = {name.rsplit(">", 1)[-1]: value for name, value in registered.items()}
    return CustomObjects(path, {**bare, **names, **registered})


def _is_users(value: Any) -> bool:  # noqa: ANN401  whatever a module holds
    module = getattr(value, "__module__", None) or type(value).__module__
    return callable(value) and module.partition(".")[0] not in _LIBRARIES
