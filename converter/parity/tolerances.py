"""The tolerances of one run: what the user asked for over the defaults of each dtype."""

from dataclasses import dataclass

from converter.parity.tolerance import Tolerance, default_tolerance


@dataclass(frozen=True)
class Tolerances:
    """What the user asked for; None leaves the default of the dtype."""

    atol: float | None = None
    rtol: float | None = None

    def of(self, dtype: str, magnitude: float = 1.0) -> Tolerance:
        """The tolerance for arrays of a dtype, whose absolute part grows with a magnitude above 1."""
        default = default_tolerance(dtype)
        atol = default.atol if self.atol is None else self.atol
        rtol = default.rtol if self.rtol is None else self.rtol
        return Tolerance(atol * max(1.0, magnitude), rtol)
