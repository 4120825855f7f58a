"""What is said when an artefact does not answer as the original does."""

from collections.abc import Sequence

from converter.errors import ParityError
from converter.exporters.contract import ExportOptions
from converter.graph import Graph
from converter.parity.array_comparison import Comparison
from converter.parity.divergence import first_divergence
from converter.parity.proof import Proof
from converter.parity.reference import Answer
from converter.parity.tolerance_settings import Tolerances


def require_parity(
    proof: Proof,
    graph: Graph,
    target: str,
    answers: Sequence[Answer],
    options: ExportOptions,
    tolerances: Tolerances,
) -> None:
    """Accept a proof, or say what missed, by how much, and at which layer it first shows.

    Raises:
        ParityError: Something is outside its tolerance.
    """
    misses = proof.misses()
    if not misses:
        return
    words, figures = misses[0]
    if figures.mismatch:
        raise ParityError(f"{words} cannot be compared: {figures.mismatch}", where=target)
    only_recorded = bool(proof.recorded) and all(figures in proof.recorded.values() for _, figures in misses)
    if only_recorded:
        hint = (
            "Keras run with the same formulas differs from them likewise: a class or function of yours computes "
            "something else than its name says. Give its code with --custom-objects."
        )
    else:
        worst = [answer for answer in answers if figures.worst and answer.probe.name == figures.worst.probe]
        place = first_divergence(graph, target, worst or answers[:1], options, tolerances)
        hint = f"{place or 'No layer alone differs, so --no-fold may help.'} {_least(figures)}"
    raise ParityError(
        f"{words} differs by {figures.max_absolute:.3g} at most, in {figures.failing:,} of "
        f"{figures.elements:,} elements beyond atol {figures.tolerance.atol:g} / "
        f"rtol {figures.tolerance.rtol:g}; nothing published",
        where=target,
        hint=hint,
    )


def _least(figures: Comparison) -> str:
    return f"The least tolerance that would pass is {figures.least_factor:.3g} times as wide."
