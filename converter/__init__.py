"""Plainserve's converter: a Keras file in, plain artefacts and a parity report out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converter.parity.recording import record

__all__ = ["record"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  what a module offers
    """Import what is asked for then and there: the command's ``--help`` does not wait for numpy."""
    if name == "record":
        from converter.parity.recording import record  # noqa: PLC0415

        return record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
