"""Detects references in a model file that an unsafe loader would import, call or open.

Safety does not depend on this check: only layers on the allowlist are built. It is for the error message. A file
that names ``os.system`` is not a model with an unknown layer, and the user should be told what it tried.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from converter.errors import UnsafeFileError

# Names of standard modules that users' own scripts often have as well.
_USERS_TOO = {"__main__", "test", "code", "types", "parser", "platform", "symbol", "copy", "statistics"}
_PYTHON = frozenset(sys.stdlib_module_names) - _USERS_TOO
# Parts of Keras and TensorFlow that load, save, download or disable protections; none of them contains layers.
_MACHINERY = (
    "config",
    "utils",
    "saving",
    "backend",
    "models.cloning",
    "trainers",
    "export",
    "io",
    "py_function",
)
_ROOTS = (
    "keras",
    "keras.src",
    "tf_keras",
    "tf_keras.src",
    "tensorflow",
    "tensorflow.keras",
    "tensorflow.python.keras",
)
_LOADERS = frozenset({"TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer", "HubLayer", "KerasLayer"})
_FILES = ("vocabulary", "idf_weights", "filepath", "path_to_file")


def refuse_unsafe_references(entry: Mapping[str, Any], where: str) -> None:
    """Refuse a layer whose entry refers, at any depth, to something that is not part of a model.

    Raises:
        UnsafeFileError: It refers to a module of Python, Keras's loading machinery, a layer that loads something,
            or a file or address to read.
    """
    for item in _objects(entry):
        class_name, config = item.get("class_name"), item.get("config")
        if not isinstance(class_name, str):
            continue
        function = config if class_name == "function" and isinstance(config, str) else None
        module = item.get("module")
        if isinstance(module, str) and _is_machinery(module, plain_function=function is not None):
            raise UnsafeFileError(
                f"names {module}.{function or class_name}, which is no part of a model", where=where
            )
        if class_name in _LOADERS:
            raise UnsafeFileError(
                f"is a {class_name}, which loads or runs something from outside the file", where=where
            )
        for key in _FILES:
            if isinstance(config, Mapping) and isinstance(config.get(key), str):
                raise UnsafeFileError(
                    f"is a {class_name} that reads its {key} from {config[key]!r:.80}", where=where
                )


def _is_machinery(module: str, *, plain_function: bool) -> bool:
    root = module.partition(".")[0]
    if root in _PYTHON:
        return not (module == "builtins" and plain_function)  # this is how Keras writes a user's function
    return any(
        module == f"{start}.{part}" or module.startswith(f"{start}.{part}.")
        for start in _ROOTS
        for part in _MACHINERY
    )


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for item in value.values():
            yield from _objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)
