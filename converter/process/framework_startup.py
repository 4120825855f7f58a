"""Starts TensorFlow and Keras without output, on the CPU, without optional packages or files in the home folder."""

import contextlib
import gc
import importlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator

from converter.process.framework_output import quiet

# Keras imports these if they are installed. A conversion needs none of them; they take half of the start, search for
# fonts and write caches below the home folder.
_OPTIONAL = ("matplotlib", "pandas", "sklearn")


def set_environment() -> None:
    """Set the environment variables that the frameworks read, for a process that converts one model."""
    # TensorFlow searches for a GPU and logs what it finds; a conversion needs neither.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # Keras keeps its settings below the home folder. Those that a user made there for training, such as another
    # backend or float16, would change the conversion.
    folder = tempfile.gettempdir()
    os.environ.update(
        KERAS_BACKEND="tensorflow", KERAS_HOME=f"{folder}/keras", MPLCONFIGDIR=f"{folder}/matplotlib"
    )


def start() -> None:
    """Import the frameworks, which takes seconds.

    Raises:
        ImportError: One of them is missing or broken.
    """
    if "converter.pipeline" in sys.modules:
        return
    with quiet(), _absent(*_OPTIONAL), _no_ipv6(), _no_garbage_collection():
        importlib.import_module("converter.pipeline")


@contextlib.contextmanager
def _absent(*names: str) -> Iterator[None]:
    """Hide packages that are not imported yet, as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Leave what is made in this block out of all garbage collections, because it stays until the process ends.

    These are some 500,000 objects. A collection would take 0.2 s to traverse them, and a conversion asks for several.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _no_ipv6() -> Iterator[None]:
    """Keep urllib3, which TensorFlow imports, from opening a socket at import to look for IPv6."""
    before, socket.has_ipv6 = socket.has_ipv6, False
    try:
        yield
    finally:
        socket.has_ipv6 = before
