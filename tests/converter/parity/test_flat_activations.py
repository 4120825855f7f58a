"""Activations that are flat, straight or as good as a step: exported alone, they answer as their formulas."""

import pytest

from converter.activations import PSS, PolynomialSS, RationalSS
from converter.exporters.contract import ExportOptions
from converter.graph import Graph, Layer
from converter.parity.activation_proof import prove_activations
from converter.parity.tolerance_settings import ToleranceSettings

ACTIVATIONS = [
    PSS(0.0),
    PSS((0.0, 0.0)),
    PSS((0.0, -3.0, 1e-40)),
    PSS(5e-324),
    PSS(1e38),
    RationalSS(0.0, 1.0),
    RationalSS(0.0, 0.0),
    RationalSS((0.0, 2.0), (1e-40, 0.0)),
    RationalSS(1.0, 1e30),
    PolynomialSS((0.0,), 1.0),
    PolynomialSS((0.5, 1.0), 1e-20),
]


@pytest.mark.parametrize("target", ["onnx", "tflite", "saved_model"])
def test_they_are_proved_alone(target):
    layers = {
        f"layer_{number}": Layer(f"layer_{number}", "Activation", activations={"activation": activation})
        for number, activation in enumerate(ACTIVATIONS)
    }
    figures = prove_activations(Graph("", layers, (), (), ()), target, ExportOptions(), ToleranceSettings())
    assert len(figures) == len(ACTIVATIONS)
    for formula, comparison in figures.items():
        assert comparison.passed, formula
        assert comparison.elements > 2000, formula
