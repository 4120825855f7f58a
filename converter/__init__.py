"""Converts Keras models to plain ONNX, TFLite, SavedModel or Keras files, with a report of parity."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converter.parity.recording import record
    from plainserve import __version__

__all__ = ["__version__", "record"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  an attribute of the module
    """Import what is used when it is used, so that ``--help`` does not wait for numpy."""
    if name == "__version__":
        from plainserve import __version__  # noqa: PLC0415

        return __version__
    if name == "record":
        from converter.parity.recording import record  # noqa: PLC0415

        return record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
