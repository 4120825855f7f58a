"""Measures whether an artefact computes each row of a batch as it computes the row alone."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from converter.artefacts.contract import Artefact
from converter.dtypes import FLOATS
from converter.parity.array_comparison import compare
from converter.parity.model_proof import artefact_inputs
from converter.parity.probes import Probe
from converter.parity.reference import Answer, Arrays
from converter.parity.tolerance_settings import ToleranceSettings
from converter.signature import Signature

LARGE_FACTOR = 100.0
"""The factor of every other row: scales that one activation, or one integer range, cannot represent together."""

ROWS = 16
"""The largest batch: two rows for each distribution of the probes."""


def coupled_output(
    artefact: Artefact,
    answers: Sequence[Answer],
    original: Signature,
    legal: Signature,
    tolerances: ToleranceSettings,
) -> str:
    """Run rows of all distributions, every other one much larger, alone and in one batch, in both orders.

    The absolute tolerance grows with the largest number in the output for a row, as rounding does: kernels sum in
    another order for one row than for many.

    Args:
        artefact: Opened by the runtime of its format; it takes any batch.
        answers: Those of the original, which have the probes.
        original: Names of the original.
        legal: Their names in the format, in the same order.
        tolerances: What counts as equal.

    Returns:
        The name of an output that differs; empty if none does.
    """
    rows = [artefact_inputs(probe, original, legal) for probe in _rows([answer.probe for answer in answers])]
    alone: list[Arrays] = [artefact.run(row) for row in rows]
    for order in ([*range(len(rows))], [*reversed(range(len(rows)))]):
        together = artefact.run({name: np.concatenate([rows[at][name] for at in order]) for name in rows[0]})
        for place, at in enumerate(order):
            for name, expected in alone[at].items():
                magnitude = float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0))
                tolerance = tolerances.of(expected.dtype.name, magnitude)
                if not compare(expected, together[name][place : place + 1], tolerance).passed:
                    return str(name)
    return ""


def _rows(probes: Sequence[Probe]) -> list[Probe]:
    """The first row of some probes of every distribution, as probes of one row."""
    made = [probe for probe in probes if probe.made]
    turns: Counter[str] = Counter()
    chosen = []
    for probe in made:
        if turns[probe.distribution] < 2:  # one row as it is, one much larger
            large = turns[probe.distribution] == 1
            chosen.append(Probe(probe.name, probe.distribution, _scaled(probe.inputs, large=large)))
            turns[probe.distribution] += 1
    return chosen[:ROWS]


def _scaled(inputs: Arrays, *, large: bool) -> Arrays:
    """One row, multiplied unless its numbers are integers, which may be indices of a table."""
    rows = {name: array[:1] for name, array in inputs.items()}
    return {
        name: (row * LARGE_FACTOR).astype(row.dtype)
        if large and row.dtype.name in FLOATS and (row != np.round(row)).any()
        else row
        for name, row in rows.items()
    }
