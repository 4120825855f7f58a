"""Reads the name of a custom class or function from a file, so that the user's code can be run in its place."""

from collections.abc import Mapping

from converter.archive import Weight
from converter.description.stored_lambda import lambda_parts
from converter.graph import SerializedObject
from converter.lambdas import LambdaUnreadableError, as_named_call, read_lambda


def serialized_object(value: object, weights: Mapping[str, Weight]) -> SerializedObject | None:  # noqa: PLR0911  one form a line
    """The class or function behind a layer's entry or an ``activation=`` argument, as the file stores it.

    Args:
        value: A layer's entry, a function's name, or what Keras writes for a function or an object.
        weights: Its stored weights, by path.

    Returns:
        None if there is no single name, as for a lambda that contains arithmetic.
    """
    if isinstance(value, str):
        return SerializedObject(_bare(value))
    if not isinstance(value, Mapping):
        return _named_by_lambda(value)  # a list, if Keras 2 wrote it
    config = value.get("config")
    if value.get("class_name") == "Lambda" and isinstance(config, Mapping):
        return serialized_object(config.get("function"), weights)
    if value.get("class_name") == "function":
        return serialized_object(config, weights) if isinstance(config, str) else None
    if value.get("class_name") == "__lambda__" or "value" in value:
        return _named_by_lambda(value)
    if isinstance(value.get("class_name"), str) and isinstance(config, Mapping):
        return SerializedObject(_bare(value["class_name"]), config, weights)
    return None


def _named_by_lambda(function: object) -> SerializedObject | None:
    try:
        name = as_named_call(read_lambda(*lambda_parts(function)))
    except LambdaUnreadableError:
        return None
    return SerializedObject(_bare(name)) if name else None


def _bare(name: str) -> str:
    return name.rsplit(">", 1)[-1]
