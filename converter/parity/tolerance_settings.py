"""The tolerances of one run: those of the command line, or else the default for each dtype."""

from dataclasses import dataclass

from converter.graph import Graph
from converter.parity.tolerance import Tolerance, default_tolerance

_COARSENESS = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True)
class ToleranceSettings:
    """The tolerances of the command line; None for the default of the dtype.

    Attributes:
        atol: Absolute tolerance.
        rtol: Relative tolerance.
        precision: The coarsest float type that the model computes in. A float32 output of a model that
            computes in float16 is no more exact than float16.
    """

    atol: float | None = None
    rtol: float | None = None
    precision: str = "float32"

    @property
    def default(self) -> bool:
        """Whether both are the defaults."""
        return self.atol is None and self.rtol is None

    def of(self, dtype: str, magnitude: float = 1.0) -> Tolerance:
        """The tolerance for arrays of a dtype, whose absolute part grows with a magnitude above 1."""
        default = default_tolerance(self._coarser(dtype))
        atol = default.atol if self.atol is None else self.atol
        rtol = default.rtol if self.rtol is None else self.rtol
        return Tolerance(atol * max(1.0, magnitude), rtol)

    def _coarser(self, dtype: str) -> str:
        several = dtype, self.precision
        return max(several, key=_COARSENESS.index) if dtype in _COARSENESS else dtype


def coarsest(graph: Graph) -> str:
    """The coarsest float type that any layer of a model computes in."""
    computed = [
        layer.policy.removeprefix("mixed_") for layer in graph.layers.values() if layer.kind != "InputLayer"
    ]
    return max(
        (dtype for dtype in computed if dtype in _COARSENESS), key=_COARSENESS.index, default="float32"
    )
