"""What to type, as an error's hint shows it."""

import shlex

_CODE = "--custom-objects FILE.py"


def say_statement(where: str, statement: str) -> str:
    """``--activation LAYER=STATEMENT`` for a shell; ``where`` is ``layer 'LAYER'``, as errors have it."""
    return f"--activation {shlex.quote(f'{layer_name(where)}={statement}')}"


def say_code() -> str:
    """For what only the user's code can say."""
    return f"Give the file that defines it: {_CODE}."


def say_activation(where: str, statement: str = "") -> str:
    """For what may be one of our formulas, or may not.

    Args:
        where: The layer.
        statement: The formula that it may be, with the numbers that are stored; empty if nothing says one.
    """
    if "=" in layer_name(where):  # --activation could not tell where such a name ends
        return say_code()
    shown = say_statement(where, statement or "pss:alpha=2")
    others = "" if statement else " (or ss, rational_ss:a=1,b=1)"
    return f"If you know the formula, state it: {shown}{others}. Or give the file that defines it: {_CODE}."


def layer_name(where: str) -> str:
    """The layer of an error's ``where``."""
    return where.removeprefix("layer '").removesuffix("'")
