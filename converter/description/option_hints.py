"""What to type, as an error's hint shows it."""

import shlex

_CODE = "--custom-objects FILE.py"


def activation_option(where: str, statement: str) -> str:
    """``--activation LAYER=STATEMENT`` for a shell; ``where`` is ``layer 'LAYER'``, as errors have it."""
    return f"--activation {shlex.quote(f'{layer_name(where)}={statement}')}"


def custom_objects_hint() -> str:
    """For what only the user's code can say."""
    return f"Give the file that defines it: {_CODE}."


def activation_hint(where: str, statement: str = "") -> str:
    """For what may be one of our formulas, or may not.

    Args:
        where: The layer.
        statement: The formula that it may be, with the numbers that are stored; empty if nothing says one.

    Returns:
        Empty for a layer with ``=`` in its name, of which nothing can be stated.
    """
    if "=" in layer_name(where):
        return ""
    shown = activation_option(where, statement or "pss:alpha=2")
    others = "" if statement else " (or ss, rational_ss:a=1,b=1)"
    return f"If you know the formula, state it: {shown}{others}."


def activation_or_code_hint(where: str, statement: str = "") -> str:
    """For a class or function that may be one of our formulas, and whose code would say it."""
    stated = activation_hint(where, statement)
    return f"{stated} Or give the file that defines it: {_CODE}." if stated else custom_objects_hint()


def layer_name(where: str) -> str:
    """The layer of an error's ``where``."""
    return where.removeprefix("layer '").removesuffix("'")
