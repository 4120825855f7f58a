"""Reads the keyword arguments that a Lambda layer passes to its function, from its option ``arguments``."""

import dataclasses
from collections.abc import Mapping

from converter.activations import Activation, number
from converter.basis import Basis
from converter.description.layer_keys import plain_array
from converter.errors import ConversionError, UnsafeFileError, UnsupportedError


def lambda_arguments(stored: object, where: str) -> dict[str, object]:
    """The keyword arguments that a Lambda layer passes; tensors of rank 0 become numbers.

    Raises:
        UnsafeFileError: They are not stored as names with values.
    """
    if stored is None:
        return {}
    if not isinstance(stored, Mapping):
        raise UnsafeFileError(f"its arguments are {stored!r:.60}, not names with values", where=where)
    return {str(name): plain_array(value) for name, value in stored.items()}


def with_arguments(
    activation: Activation, basis: Basis, given: Mapping[str, object], where: str
) -> Activation:
    """The activation of a named function, with the arguments that its Lambda layer passes.

    Args:
        activation: The activation with its default parameters.
        basis: How the function is known. Arguments are understood only for functions of ``converter.layers``.
        given: The keyword arguments.
        where: The layer.

    Raises:
        UnsupportedError: The function is not known to take such an argument.
        UnsafeFileError: An argument is no finite number.
    """
    if not given:
        return activation
    known = activation.parameters if basis is Basis.READ else ()
    for name in given:
        if name not in known:
            raise UnsupportedError(
                f"the Lambda's arguments hold {name!r:.60}, whose meaning to its function is not known",
                where=where,
            )
    numbers = {name: number(value, name, where) for name, value in given.items()}
    try:
        return type(activation).from_numbers({**dataclasses.asdict(activation), **numbers})  # type: ignore[call-overload]
    except ConversionError as error:
        error.where = where
        raise
