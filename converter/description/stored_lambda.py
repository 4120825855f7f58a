"""Extracts the parts of a stored lambda: code, defaults and closure."""

from collections.abc import Mapping

from converter.description.layer_keys import plain_array
from converter.lambdas import LambdaUnreadableError


def lambda_parts(function: object) -> tuple[str, object, object]:
    """The code, defaults and closure of a lambda.

    Keras 3 writes the function of a Lambda layer as a ``__lambda__`` object, Keras 2 as a list. For an
    ``activation=`` argument, both write ``{"value": list}``.

    Raises:
        LambdaUnreadableError: It has none of these forms.
    """
    parts = function
    if isinstance(function, Mapping) and function.get("class_name") == "__lambda__":
        parts = function.get("config")
    if isinstance(parts, Mapping):
        parts = parts.get("value") or [parts.get(key) for key in ("code", "defaults", "closure")]
    if not isinstance(parts, list) or len(parts) != 3 or not isinstance(parts[0], str):
        raise LambdaUnreadableError("it is not stored the way Keras stores a lambda")
    return parts[0], _plain(parts[1]), _plain(parts[2])


def _plain(values: object) -> object:
    """Replace tensors of rank 0 among the values by their numbers."""
    return [plain_array(value) for value in values] if isinstance(values, list) else values
