"""The interface of an opened artefact."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from converter.signature import TensorSpec

Arrays = Mapping[str, npt.NDArray[Any]]


class Artefact(Protocol):
    """An exported file or folder, opened by a runtime of its format."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs as the artefact itself states them."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs as the artefact itself states them."""

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute the outputs; any batch size where the batch is free.

        Args:
            inputs: One array per input, of its dtype.

        Returns:
            One array per output.

        Raises:
            ValueError: An input is missing, or unknown.
        """

    def run_before_softmax(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute, for each output that a Softmax produces, the input of that Softmax.

        Returns:
            One array per such output, under its name; empty if there is none.
        """

    def operators(self) -> Counter[str]:
        """How often each operator of the format occurs."""

    def check(self) -> None:
        """Run the checker and the runtime of the format on the artefact.

        Raises:
            UnsupportedError: One of them refuses it.
        """

    def provenance(self) -> dict[str, Any]:
        """The provenance that the artefact carries; empty if it carries none."""


def in_order(inputs: Arrays, specs: tuple[TensorSpec, ...]) -> dict[str, npt.NDArray[Any]]:
    """Arrays by name in the order of ``specs``.

    Raises:
        ValueError: The names differ.
    """
    expected = [spec.name for spec in specs]
    if sorted(inputs) != sorted(expected):
        raise ValueError(f"inputs {sorted(inputs)} given, {sorted(expected)} expected")
    return {name: np.asarray(inputs[name]) for name in expected}
