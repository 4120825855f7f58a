"""Architectures x activations x formats: every artefact answers as the original did.

The tolerance is the default, |d| <= 1e-5 or |d| <= 1e-4 |reference|, before the softmax times the largest value
there. A deep model with random weights amplifies rounding, its own as well: where Keras in float32 is itself
further than that from Keras in float64, the absolute tolerance is four times this distance. It is measured for
each row, and stands beside its error in docs/parity.md.
"""

import pytest
from architectures import ARCHITECTURES
from users_activations import ACTIVATIONS

ROWS = [
    pytest.param(
        name,
        activation,
        target,
        id=f"{name}-{activation}-{target}",
        marks=[pytest.mark.heavy] if architecture.heavy else [],
    )
    for name, architecture in ARCHITECTURES.items()
    for activation in ACTIVATIONS
    for target in architecture.targets
]


@pytest.mark.parametrize(("architecture", "activation", "target"), ROWS)
def test_artefact_answers_as_the_original(row_of, architecture, activation, target):
    row = row_of(architecture, activation, target)
    assert row.error == ""
    assert row.passed
    assert row.compared > 500
    assert row.atol < 3e-4
    assert row.allowed < row.spread / 50, "an answer could differ as much as answers do among themselves"
    assert row.spread > 1e-3, "the answers hardly differ, so their parity proves nothing"


def test_table_has_sixty_rows_and_more():
    assert len(ROWS) >= 60
    assert {name for name, architecture in ARCHITECTURES.items() if not architecture.heavy} >= {
        "u_net",
        "encoder",
        "bilstm",
        "mobilenet_v3_small",
    }
