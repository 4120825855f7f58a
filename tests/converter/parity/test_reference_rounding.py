"""The original's own rounding as the measure: only where it is larger than the tolerance, and never as an excuse."""

import numpy as np
import pytest

from converter.building.dtype_policy import in_policy
from converter.graph import Call, Graph, Layer, Ref
from converter.parity.array_comparison import compare
from converter.parity.probes import Probe
from converter.parity.reference import Reference
from converter.parity.reference_rounding import held_to_rounding
from converter.parity.tolerance import Tolerance

TOLERANCE = Tolerance(1e-5, 1e-4)


def judged(expected, came, exact):
    expected, came = np.float32([expected]), np.float32([came])
    found = compare(expected, came, TOLERANCE)
    assert not found.passed
    return held_to_rounding(found, expected, came, np.float64([exact]))


@pytest.mark.parametrize("came", [0.0, 1e-6, -9e-5])
def test_an_artefact_that_is_no_further_off_than_the_original_passes_and_it_is_told(came):
    figures = judged(expected=1e-4, came=came, exact=0.0)
    assert figures.passed
    assert figures.rounding == pytest.approx(10.0, rel=1e-6)
    assert figures.max_absolute == pytest.approx(1e-4 - came, rel=1e-5)  # from the original, as ever


@pytest.mark.parametrize(
    ("expected", "came", "exact"),
    [
        (1e-4, -1.1e-4, 0.0),  # further off than the original
        (9e-6, -1.1e-5, 0.0),  # the original is within the tolerance: no excuse
        (0.0, 1e-4, 0.0),
        (np.inf, 1.0, 1.0),  # a miss without measure is none
        (np.nan, 1.0, 1.0),
        (1.0, np.nan, 2.0),
    ],
)
def test_whatever_else_misses_stays_a_miss(expected, came, exact):
    figures = judged(expected, came, exact)
    assert not figures.passed
    assert figures.rounding == 1.0


def graph(policy="float32"):
    layer = Layer("y", "GroupNormalization", {"groups": 1, "scale": False, "center": False}, policy)
    return Graph(
        "model",
        {"x": Layer("x", "InputLayer", {"batch_shape": [None, 300, 2], "dtype": "float32"}), "y": layer},
        (Call("y", 0, (Ref("x"),)),),
        (("x", Ref("x")),),
        (("y", Ref("y")),),
    )


def test_the_reference_answers_in_float64_when_it_is_asked():
    flat = np.full((1, 300, 2), 0.7, np.float32) + np.float32([[[0.0, 1e-3]]])
    (answer,) = Reference(graph()).answers([Probe("flat", "flat", {"x": flat})])
    exact = answer.exact.answer(answer.probe).outputs["y"]
    assert exact.dtype == np.float64
    wide = flat.astype(np.float64)
    expected = (wide - wide.mean()) / np.sqrt(wide.var() + 1e-3)
    np.testing.assert_allclose(exact, expected, rtol=0, atol=1e-12)
    assert answer.outputs["y"].dtype == np.float32


def test_a_model_of_16_bits_has_no_exact_answer():
    (answer,) = Reference(graph("mixed_float16")).answers(
        [Probe("zero", "all 0", {"x": np.zeros((1, 300, 2), np.float32)})]
    )
    assert answer.exact is None


def test_a_policy_reaches_wrapped_layers_inputs_and_the_types_that_operations_are_told():
    cell = Layer("cell", "LSTMCell", {"units": 2}, "mixed_float16")
    wrapped = Layer(
        "rnn", "RNN", {"cell": Layer("stack", "StackedRNNCells", {"cells": [cell]}, "float16")}, "float16"
    )
    layers = {
        "x": Layer("x", "InputLayer", {"batch_shape": [None, 2], "dtype": "bfloat16"}),
        "n": Layer("n", "InputLayer", {"batch_shape": [None, 2], "dtype": "int32"}),
        "rnn": wrapped,
        "mean": Layer("mean", "ops.mean"),
        "hot": Layer("hot", "ops.one_hot", {"dtype": "int32"}),
    }
    calls = (Call("mean", 0, (Ref("x"),), {"dtype": "float16"}), Call("hot", 0, (Ref("n"),), {"axis": 1}))
    wide = in_policy(Graph("", layers, calls, (), ()), "float32")
    assert {part.policy for layer in wide.layers.values() for part in layer.with_parts()} == {"float32"}
    assert [wide.layers[name].config["dtype"] for name in ("x", "n", "hot")] == ["float32", "int32", "int32"]
    assert [call.kwargs for call in wide.calls] == [{"dtype": "float32"}, {"axis": 1}]
    assert layers["rnn"].policy == "float16"
