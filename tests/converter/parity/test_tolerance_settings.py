"""Which tolerance applies to which output."""

import pytest

from converter.graph import Graph, Layer
from converter.parity.tolerance import default_tolerance
from converter.parity.tolerance_settings import ToleranceSettings, coarsest


def model(*policies):
    layers = {str(i): Layer(str(i), "Dense", policy=policy) for i, policy in enumerate(policies)}
    return Graph("model", {"x": Layer("x", "InputLayer"), **layers}, (), (), ())


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (["float32"], "float32"),
        (["float64", "float64"], "float64"),
        (["mixed_float16", "float32"], "float16"),
        (["mixed_bfloat16", "float16"], "bfloat16"),
        (["int32"], "float32"),
        ([], "float32"),
    ],
)
def test_model_is_as_coarse_as_its_coarsest_layer(policies, expected):
    assert coarsest(model(*policies)) == expected


def test_float32_output_of_a_mixed_model_has_the_tolerance_of_float16():
    assert ToleranceSettings(precision="float16").of("float32") == default_tolerance("float16")


def test_float16_output_of_a_float32_model_keeps_its_own():
    assert ToleranceSettings(precision="float32").of("float16") == default_tolerance("float16")


def test_integers_stay_exact_in_any_model():
    assert ToleranceSettings(precision="bfloat16").of("int32") == default_tolerance("int32")


def test_what_the_user_asks_for_wins_and_grows_only_with_large_values():
    tolerance = ToleranceSettings(atol=1e-3, rtol=1e-2, precision="bfloat16").of("float32", magnitude=20.0)
    assert (tolerance.atol, tolerance.rtol) == (2e-2, 1e-2)
    assert ToleranceSettings(atol=1e-3).of("float32", magnitude=0.1).atol == 1e-3
