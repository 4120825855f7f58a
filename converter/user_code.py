"""A user's own class or function in a graph, which only ``--custom-objects FILE.py`` defines.

The description creates it without code; ``converter.building.custom_objects`` adds the class or function from the
user's file, and the model is built with it. It is a layer of its own (kind ``UserCode``), or an activation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from converter.activations.activation import Step
from converter.errors import UnsupportedError
from converter.graph import SerializedObject

USER_CODE = "UserCode"
"""The kind of a layer that runs the user's code; ``config["code"]`` is a ``UserCode``."""


@dataclass(frozen=True, eq=False)
class UserCode:
    """A class or function that only the user's code defines. Satisfies ``Activation``.

    Attributes:
        serialized: Its name in the model file, with its stored options and weights.
        refusal: The error to raise if the user's file does not define it.
        arguments_of_lambda: Keyword arguments that a Lambda layer passes to the function.
        code: The class or function; None until the user's file has been loaded.
        scope: Everything that the user's file defines, because stored options may refer to it.
    """

    serialized: SerializedObject
    refusal: UnsupportedError
    arguments_of_lambda: Mapping[str, Any] | None = None
    code: Any = field(default=None, repr=False)
    scope: Mapping[str, Any] = field(default_factory=dict, repr=False)

    key: ClassVar[str] = "code"
    layer: ClassVar[str] = USER_CODE
    class_names: ClassVar[Mapping[str, frozenset[str]]] = {}
    function_names: ClassVar[frozenset[str]] = frozenset()
    parameters: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, float]) -> Self:  # noqa: ARG003  part of the contract
        """User code cannot be stated with ``--activation``.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError("code cannot be stated; give the file with --custom-objects")

    @classmethod
    def from_expression(cls, expression: object) -> Self | None:  # noqa: ARG003  part of the contract
        """None: a lambda that can be read needs no code."""
        return None

    @property
    def formula(self) -> str:
        """Such as ``your MyDense``."""
        return f"your {self.serialized.name}"

    @property
    def scale(self) -> float:
        """Nothing is known of it."""
        return 1.0

    def largest_input(self, dtype_max: float) -> float:
        """Nothing is known of it."""
        return dtype_max

    def evaluate(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The result of the user's function."""
        return np.asarray(self.code(x), np.float64)

    def uncertainty(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Nothing is known of it."""
        return np.zeros(x.shape)

    def arguments(self) -> dict[str, Any]:
        """No arguments: the options belong to the user's class."""
        return {}

    def lower(self) -> tuple[Step, ...]:
        """One layer that runs the code; the exporters trace it into plain operators."""
        return (Step(USER_CODE, {"code": self}, "code", self.serialized.weights),)

    def filled(self, code: Any, scope: Mapping[str, Any]) -> "UserCode":  # noqa: ANN401  the user's
        """A copy with its code."""
        return replace(self, code=code, scope=scope)
