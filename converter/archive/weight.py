"""A stored weight: shape and dtype, and a function that reads the array on demand."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Weight:
    """An array that is read on demand.

    Attributes:
        shape: Its sizes.
        dtype: Its numpy type; ``bfloat16`` is kept as the name that the model states.
        read: Returns the array; may be called again.
        unseen: Do not read the numbers only to check them: a large model is described from its shapes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]
    unseen: bool = False

    @classmethod
    def of(cls, array: NDArray[Any]) -> Self:
        """A weight that is already in memory."""
        return cls(array.shape, array.dtype, lambda: array)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)
