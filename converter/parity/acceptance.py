"""Accepts a proof, or raises the error that explains what missed parity."""

from collections.abc import Sequence

from converter.errors import ParityError
from converter.exporters.contract import ExportOptions
from converter.graph import Graph
from converter.parity.array_comparison import Comparison
from converter.parity.divergence import first_divergence
from converter.parity.proof import Proof
from converter.parity.reference import Answer
from converter.parity.tolerance_settings import ToleranceSettings


def require_parity(
    proof: Proof,
    graph: Graph,
    target: str,
    answers: Sequence[Answer],
    options: ExportOptions,
    tolerances: ToleranceSettings,
) -> None:
    """Accept a proof, or report what missed parity, by how much, and at which layer first.

    Raises:
        ParityError: Something is outside its tolerance.
    """
    misses = proof.misses()
    if not misses:
        return
    words, metrics = misses[0]
    if metrics.mismatch:
        raise ParityError(f"{words} cannot be compared: {metrics.mismatch}", where=target)
    only_recorded = bool(proof.recorded) and all(metrics in proof.recorded.values() for _, metrics in misses)
    if only_recorded:
        hint = (
            "Keras run with the same formulas differs from them likewise: a class or function of yours computes "
            "something else than its name says. Give its code with --custom-objects."
        )
    else:
        worst = [answer for answer in answers if metrics.worst and answer.probe.name == metrics.worst.probe]
        place = first_divergence(graph, target, worst or answers[:1], options, tolerances)
        hint = f"{place or 'No layer alone differs, so --no-fold may help.'} {_least(metrics)}"
    raise ParityError(
        f"{words} differs by {metrics.max_absolute:.3g} at most, in {metrics.failing:,} of "
        f"{metrics.elements:,} elements beyond atol {metrics.tolerance.atol:g} / "
        f"rtol {metrics.tolerance.rtol:g}; nothing published",
        where=target,
        hint=hint,
    )


def _least(metrics: Comparison) -> str:
    return f"The least tolerance that would pass is {metrics.least_factor:.3g} times as wide."
