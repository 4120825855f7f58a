"""Texts for the hints of errors: which command-line option to use, and with which value."""

import shlex

_CODE = "--custom-objects FILE.py"


def activation_option(where: str, statement: str) -> str:
    """``--activation LAYER=STATEMENT`` for a shell; ``where`` is ``layer 'LAYER'``, as errors have it."""
    return f"--activation {shlex.quote(f'{layer_name(where)}={statement}')}"


def custom_objects_hint() -> str:
    """A hint at ``--custom-objects``, if only the user's code can define something."""
    return f"Give the file that defines it: {_CODE}."


def activation_hint(where: str, statement: str = "") -> str:
    """A hint at ``--activation``, for a layer that may compute one of the known formulas.

    Args:
        where: The layer.
        statement: The formula that it may compute, with its stored numbers; empty if nothing indicates one.

    Returns:
        The hint; empty for a layer with ``=`` in its name, which ``--activation`` cannot name.
    """
    if "=" in layer_name(where):
        return ""
    shown = activation_option(where, statement or "pss:alpha=2")
    others = "" if statement else " (or ss, rational_ss:a=1,b=1)"
    return f"If you know the formula, state it: {shown}{others}."


def activation_or_code_hint(where: str, statement: str = "") -> str:
    """A hint at both options, for a class or function that may compute one of the known formulas."""
    stated = activation_hint(where, statement)
    return f"{stated} Or give the file that defines it: {_CODE}." if stated else custom_objects_hint()


def layer_name(where: str) -> str:
    """The name of the layer in an error's ``where``."""
    return where.removeprefix("layer '").removesuffix("'")
