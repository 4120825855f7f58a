import keras
import ml_dtypes
import numpy as np
import pytest

from converter.layers import PSS, RationalSS, rational_ss, ss

EVERY_FLOAT16 = np.arange(2**16, dtype=np.uint16).view(np.float16)
EVERY_FLOAT16 = EVERY_FLOAT16[np.isfinite(EVERY_FLOAT16)]
EVERY_BFLOAT16 = np.arange(2**16, dtype=np.uint16).view(ml_dtypes.bfloat16)
EVERY_BFLOAT16 = EVERY_BFLOAT16[np.isfinite(EVERY_BFLOAT16.astype(np.float32))]

# TensorFlow flushes float32 numbers below the least normal one to 0; the slopes here are at most 3.
FLUSHED = 3 * float(np.finfo(np.float32).tiny)


def assert_rounded_once(computed, exact, dtype):
    """Half a unit in the last place, and a hundredth of one for the float32 computation before it."""
    info = ml_dtypes.finfo(dtype)
    least = max(0.51 * float(info.smallest_subnormal), FLUSHED)
    np.testing.assert_allclose(computed, exact, rtol=0.51 * float(info.eps), atol=least)


def test_each_activation_agrees_with_its_formula_in_float32(case, value_and_slope):
    x = np.concatenate(
        [np.linspace(-9, 9, 2001), np.geomspace(1e-30, 1e4, 200), -np.geomspace(1e-30, 1e4, 200)]
    )
    x = x.astype(np.float32).astype(np.float64)
    value, _ = value_and_slope(case.function, x, "float32")
    # sigmoid's own error is absolute on its falling tail; 4 roundings of float32 elsewhere.
    np.testing.assert_allclose(value, case.formula(x), rtol=4 * 2**-23, atol=2e-7)


def test_each_activation_agrees_with_its_formula_in_float64(case, value_and_slope):
    x = np.linspace(-12, 12, 1001)
    value, slope = value_and_slope(case.function, x, "float64")
    np.testing.assert_allclose(value, case.formula(x), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(slope, case.slope(x), rtol=1e-9, atol=1e-14)


def test_each_activation_is_the_rounded_formula_at_every_float16(case, value_and_slope):
    x = EVERY_FLOAT16.astype(np.float64)
    value, _ = value_and_slope(case.function, x, "float16")
    assert_rounded_once(value, case.formula(x), "float16")


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (1.5, 0.8), (1.0, 1e10), (3.0, 1e-20)])
def test_rational_ss_is_the_rounded_formula_at_every_bfloat16(a, b, value_and_slope):
    x = EVERY_BFLOAT16.astype(np.float64)
    value, slope = value_and_slope(lambda t: rational_ss(t, a, b), x, "bfloat16")
    assert_rounded_once(value, a * x / (1 + b * np.abs(x)), "bfloat16")
    assert np.isfinite(slope).all()


def test_rational_ss_is_right_where_float16_arithmetic_overflows(value_and_slope):
    x = np.float16([-65504, 65504])
    with np.errstate(over="ignore"):
        literally = x / (np.float16(1) + np.float16(8) * np.abs(x))
    assert (literally == 0).all()
    value, _ = value_and_slope(lambda t: rational_ss(t, 1.0, 8.0), x, "float16")
    np.testing.assert_array_equal(value, [-0.125, 0.125])


def test_rational_ss_is_right_where_float32_arithmetic_overflows(value_and_slope):
    x = np.float32([-3e38, 3e38, -np.inf, np.inf])
    value, slope = value_and_slope(lambda t: rational_ss(t, 1.5, 8.0), x, "float32")
    np.testing.assert_array_equal(value, [-0.1875, 0.1875, -0.1875, 0.1875])
    np.testing.assert_array_equal(slope, 0)


def test_rational_ss_is_right_where_dividing_by_b_would_overflow(value_and_slope):
    x = np.array([-3e38, -1.0, 0.0, 1e20], np.float32).astype(np.float64)
    value, slope = value_and_slope(lambda t: rational_ss(t, 1.0, 1e-40), x, "float32")
    # x times 1 - b|x|, of which b|x| is at most 0.03; float32 drops a subnormal b, so that is the error.
    np.testing.assert_allclose(value, x, rtol=0.03)
    assert np.isfinite(slope).all()


def test_rational_ss_with_b_0_is_a_straight_line(value_and_slope):
    x = np.float32([-3e38, -1, 0, 2, 1e30])
    value, slope = value_and_slope(lambda t: rational_ss(t, 0.5, 0.0), x, "float32")
    np.testing.assert_array_equal(value, 0.5 * x)
    np.testing.assert_array_equal(slope, 0.5)


def test_nan_stays_nan(case, value_and_slope):
    value, _ = value_and_slope(case.function, np.array([np.nan, 0.0]), "float32")
    assert np.isnan(value[0])
    assert np.isfinite(value[1])


def test_a_layer_computes_what_its_function_computes(case):
    x = np.linspace(-4, 4, 33, dtype=np.float32).reshape(3, 11)
    np.testing.assert_array_equal(case.layer()(x), case.function(x))


@pytest.mark.parametrize(
    ("policy", "dtype", "eps"), [("mixed_bfloat16", "bfloat16", 2**-8), ("mixed_float16", "float16", 2**-11)]
)
@pytest.mark.parametrize("trainable", [False, True])
def test_a_mixed_policy_does_not_round_the_parameters(policy, dtype, eps, trainable):
    x = np.float32([[-3.0, -2.5, 0.5, 3.0]])  # exact in 16 bits, while 2.1 and 0.8 are not
    y = PSS(2.1, trainable_alpha=trainable, dtype=policy)(x)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    np.testing.assert_allclose(np.float64(y), 1 / (1 + np.exp(-2.1 * np.float64(x))), rtol=1.01 * eps)
    y = RationalSS(1.5, 0.8, trainable_a=trainable, trainable_b=trainable, dtype=policy)(x)
    np.testing.assert_allclose(np.float64(y), 1.5 * x / (1 + 0.8 * np.abs(x)), rtol=1.01 * eps)


def test_functions_take_plain_numbers_and_integers():
    assert float(ss(1.0)) == 0.5
    assert float(rational_ss(np.int32(3), 2.0, 1.0)) == 1.5
