"""Recognises custom layers and activation arguments, or defers them to the user's code (``--custom-objects``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from converter.archive import Weight
from converter.basis import Basis
from converter.description.argument_reader import from_argument
from converter.description.custom_layer import read_custom_layer
from converter.description.layer_entry import entry_config
from converter.description.recognition import Recognition
from converter.description.serialized_object import serialized_object
from converter.errors import UnsupportedError
from converter.user_code import UserCode


@dataclass(frozen=True)
class CustomObjectReader:
    """Reads what is not Keras's own.

    Attributes:
        keras_2: Keras 2 wrote the file.
        own_code: The user gives the code of classes and functions that are not recognised.
    """

    keras_2: bool
    own_code: bool

    def layer(self, entry: Mapping[str, Any], weights: Mapping[str, Weight], where: str) -> Recognition:
        """Recognise what a Lambda or a custom layer computes.

        Raises:
            UnsupportedError: It is not known, and no code is given for it.
        """
        try:
            return read_custom_layer(entry, weights, where, keras_2=self.keras_2)
        except UnsupportedError as refusal:
            return self._deferred(entry, weights, refusal)

    def argument(self, value: object, weights: Mapping[str, Weight], where: str) -> Recognition | str:
        """Recognise an ``activation=`` argument; the name of a built-in function if it is one.

        Raises:
            UnsupportedError: It is not known, and no code is given for it.
        """
        try:
            return from_argument(value, weights, where, keras_2=self.keras_2)
        except UnsupportedError as refusal:
            return self._deferred(value, weights, refusal)

    def _deferred(
        self, value: object, weights: Mapping[str, Weight], refusal: UnsupportedError
    ) -> Recognition:
        """Defer to the user's code; the refusal is raised later if the user's file does not define the name."""
        serialized = serialized_object(value, weights)
        if not self.own_code or serialized is None:
            raise refusal
        given = None
        if isinstance(value, Mapping) and value.get("class_name") == "Lambda":
            given = entry_config(value, "").get("arguments") or {}
        code = UserCode(serialized, refusal, given)
        why = f"as your code defines '{serialized.name}'"
        return Recognition(code, why, Basis.CODE, tuple(serialized.weights.values()))
