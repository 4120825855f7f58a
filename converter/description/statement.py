"""Reads what ``--activation`` states of a layer."""

from converter.activations import ACTIVATIONS, number
from converter.basis import Basis
from converter.description.found import Found
from converter.errors import UnsafeFileError, UnsupportedError, UsageError

_STATED = "stated by --activation"


def from_statement(text: str) -> Found:
    """Read ``pss:alpha=3``, ``ss``, ``rational_ss:a=1.5,b=0.8`` or ``polynomial_ss:limit=3,c0=0.5,c1=0.2``.

    Raises:
        UsageError: It is none of these.
    """
    key, _, listed = text.partition(":")
    kind = ACTIVATIONS.get(key)
    if kind is None:
        raise UsageError(f"--activation: '{key}' is none of {', '.join(ACTIVATIONS)}")
    values: dict[str, float] = {}
    for item in filter(None, listed.split(",")):
        name, _, value = item.partition("=")
        if name not in kind.parameters or name in values:
            raise UsageError(f"--activation: {key} takes {_listed(kind.parameters)}, not '{item}'")
        try:
            values[name] = number(float(value), name, "--activation")
        except (ValueError, UnsafeFileError):
            raise UsageError(f"--activation: '{name}' needs a finite number, not '{value}'") from None
    try:
        return Found(kind.from_numbers(values), _STATED, Basis.STATED)
    except UnsupportedError as error:
        raise UsageError(f"--activation: {error.what}", hint=error.hint) from None


def _listed(names: tuple[str, ...]) -> str:
    """The parameters of an activation, shortened where there are many."""
    shown = [*names[:3], "..."] if len(names) > 4 else names
    return ", ".join(shown) or "no parameters"
