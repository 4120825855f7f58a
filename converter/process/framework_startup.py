"""Starts TensorFlow and Keras: quietly, on the processor, with nothing beside them and nothing written elsewhere."""

import contextlib
import importlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator

from converter.process.framework_output import quiet

# Keras imports these because they are there, and a conversion needs none of them: half of the start, fonts that are
# looked for, caches below the home folder.
_BESIDE = ("matplotlib", "pandas", "sklearn")


def settle() -> None:
    """Set what they ask the environment for; for a process that converts one model, with a temporary folder."""
    # TensorFlow looks for a GPU and talks about it; neither helps a conversion.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # Keras writes its settings below the home folder. What a user set there for training, such as another backend
    # or float16, would change the conversion.
    folder = tempfile.gettempdir()
    os.environ.update(
        KERAS_BACKEND="tensorflow", KERAS_HOME=f"{folder}/keras", MPLCONFIGDIR=f"{folder}/matplotlib"
    )


def start() -> None:
    """Import them, which takes seconds.

    Raises:
        ImportError: One of them is missing or broken.
    """
    with quiet(), _absent(*_BESIDE), _no_ipv6():
        importlib.import_module("converter.pipeline")


@contextlib.contextmanager
def _absent(*names: str) -> Iterator[None]:
    """Packages that are not imported yet seem not to be installed."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _no_ipv6() -> Iterator[None]:
    """urllib3, which TensorFlow imports, opens a socket when it is imported to see whether IPv6 is there."""
    before, socket.has_ipv6 = socket.has_ipv6, False
    try:
        yield
    finally:
        socket.has_ipv6 = before
