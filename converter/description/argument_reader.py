"""Recognises an ``activation=`` argument: a function, or an object of a class."""

from collections.abc import Mapping

from converter.archive import Weight
from converter.description.activation_reader import from_function
from converter.description.class_reader import require_not_keras
from converter.description.custom_layer import read_custom_layer
from converter.description.recognition import Recognition
from converter.errors import ConversionError, UnsafeFileError


def from_argument(
    value: object, weights: Mapping[str, Weight], where: str, *, keras_2: bool = False
) -> Recognition | str:
    """Recognise an ``activation=`` argument; the name of the function if it is a built-in one.

    Args:
        value: The value in the file.
        weights: Its stored weights by path, if it is a layer.
        where: The layer that takes it.
        keras_2: Keras 2 wrote the file.

    Raises:
        UnsupportedError: It is not recognised.
        UnsafeFileError: It is not in a form that Keras writes.
    """
    found = from_function(value, where, keras_2=keras_2)
    if found is not None:
        return found
    if not isinstance(value, Mapping) or not isinstance(value.get("class_name"), str):
        raise UnsafeFileError(f"its activation is {value!r:.60}", where=where)
    try:
        if value["class_name"] != "Lambda":
            require_not_keras(value, where)
        return read_custom_layer(value, weights, where, keras_2=keras_2)
    except ConversionError as error:
        error.what = f"its activation {error.what}" if error.what.startswith("is ") else error.what
        raise
