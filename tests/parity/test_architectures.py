"""Architectures x activations x formats: every artefact answers as the original did.

The tolerance is the default, |d| <= 1e-5 or |d| <= 1e-4 |reference|, before the softmax times the largest value
there. Beside each error stands what float32 costs the original itself: the difference between the same model
computed in float32 and in float64 by Keras. Where that is as large as the default tolerance, the table of
architectures states a wider one, and a test holds it to that reason.
"""

import pytest
from architectures import ARCHITECTURES
from users_activations import ACTIVATIONS

DEFAULT = 1e-5
WIDER = [(name, each) for name, architecture in ARCHITECTURES.items() for each in architecture.atol]
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
    assert row.spread > 1e-3, "the answers hardly differ, so their parity proves nothing"


@pytest.mark.heavy
@pytest.mark.parametrize(("architecture", "activation"), WIDER)
def test_wider_tolerance_is_what_float32_costs_the_original(row_of, architecture, activation):
    row = row_of(architecture, activation, "onnx")
    atol = ARCHITECTURES[architecture].atol[activation]
    default = row.tolerance * DEFAULT / atol
    assert row.float32 > default / 2, "the default would do"
    assert row.tolerance < 8 * row.float32


def test_table_has_sixty_rows_and_more():
    assert len(ROWS) >= 60
    assert {name for name, architecture in ARCHITECTURES.items() if not architecture.heavy} >= {
        "u_net",
        "encoder",
        "bilstm",
        "mobilenet_v3_small",
    }
