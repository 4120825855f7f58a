"""The numbers that a Lambda layer passes to its function by name, from its ``arguments``."""

import dataclasses
from collections.abc import Mapping

from converter.activations import Activation, number
from converter.basis import Basis
from converter.description.layer_keys import plain_array
from converter.errors import ConversionError, UnsafeFileError, UnsupportedError


def lambda_arguments(stored: object, where: str) -> dict[str, object]:
    """What a Lambda layer passes, by name; a tensor of no axes is its number.

    Raises:
        UnsafeFileError: It is not stored as names and values.
    """
    if stored is None:
        return {}
    if not isinstance(stored, Mapping):
        raise UnsafeFileError(f"its arguments are {stored!r:.60}, not names with values", where=where)
    return {str(name): plain_array(value) for name, value in stored.items()}


def with_arguments(
    activation: Activation, basis: Basis, given: Mapping[str, object], where: str
) -> Activation:
    """A named function's activation with the numbers that its layer passes.

    Args:
        activation: With its default numbers.
        basis: How the function is known: only of our own it is known what its arguments mean.
        given: By name.
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
