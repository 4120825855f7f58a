import numpy as np
import pytest
import tensorflow as tf

from converter.layers import PSS, RationalSS, pss, rational_ss, ss


def central_difference(function, x, step=1e-5):
    return (function(x + step) - function(x - step)) / (2 * step)


def test_gradients_agree_with_finite_differences(case, value_and_slope):
    # Off the kinks: the second derivative of x/(1+b|x|) jumps at 0, the polynomial's first at its limit.
    x = np.array([-6.3, -2.2, -1.0, -0.31, 0.17, 0.9, 1.7, 2.4, 5.8])
    _, slope = value_and_slope(case.function, x, "float64")
    # h^2 f'''/6 and 1e-16 / h are both far below.
    np.testing.assert_allclose(slope, central_difference(case.formula, x), rtol=1e-6, atol=2e-9)


def test_float32_gradients_agree_with_the_derivative(case, value_and_slope):
    x = np.linspace(-12, 12, 1001).astype(np.float32).astype(np.float64)
    _, slope = value_and_slope(case.function, x, "float32")
    scale = np.abs(case.slope(np.zeros(1)))[0]
    np.testing.assert_allclose(slope, case.slope(x), rtol=2e-6, atol=3e-7 * max(1.0, scale * 1e-3))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_gradients_at_0_are_exact(dtype, value_and_slope):
    x = np.array([0.0, -0.0])
    for function, expected in [
        (ss, 1.0),
        (pss, 0.5),
        (lambda t: pss(t, -4.0), -1.0),
        (lambda t: rational_ss(t, 1.5, 0.75), 1.5),
        (lambda t: rational_ss(t, -0.25, 0.0), -0.25),
    ]:
        _, slope = value_and_slope(function, x, dtype)
        np.testing.assert_array_equal(slope, expected)


def test_gradients_are_right_at_every_float16(case, value_and_slope):
    x = np.arange(2**16, dtype=np.uint16).view(np.float16)
    x = x[np.isfinite(x)].astype(np.float64)
    _, slope = value_and_slope(case.function, x, "float16")
    exact = case.slope(x)
    # Half a unit of float16, and float32's own error where y is near its limit.
    tolerance = 0.51 * 2**-10 * np.abs(exact) + 0.51 * 2**-24 + 2e-7 * np.minimum(1, np.abs(case.formula(x)))
    assert (np.abs(slope - exact) <= tolerance).all()


def test_the_gradient_of_ss_does_not_vanish_where_float16_squares_overflow(value_and_slope):
    x = np.array([-1000.0, 300.0, 1000.0])
    _, slope = value_and_slope(ss, x, "float16")
    np.testing.assert_allclose(slope, 1 / (1 + np.abs(x)) ** 2, atol=2**-25)
    assert (slope > 0).all()


def test_a_scaled_loss_passes_the_tail_of_ss_in_float16():
    x = tf.constant([255.0, 1000.0], tf.float16)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = ss(x) * tf.constant(2.0**15, tf.float16)  # as a loss-scaling optimizer does
    expected = 2.0**15 / (1 + np.array([255.0, 1000.0])) ** 2
    np.testing.assert_allclose(tape.gradient(loss, x), expected, rtol=1e-3)


def test_tails_have_finite_gradients_that_fade(case, value_and_slope):
    tail = np.geomspace(1e3, 3e38, 300)
    x = np.concatenate([-tail, tail])
    value, slope = value_and_slope(case.function, x, "float32")
    assert np.isfinite(value).all()
    # The x-gradient is a difference of two numbers of the size of y / x.
    error = 3e-7 * np.abs(case.formula(x) / x) + 2e-38
    assert (np.abs(slope - case.slope(x)) <= error).all()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_parameters_get_the_gradients_of_the_formula(dtype):
    x = tf.constant([[-3.0, -0.5, 0.0, 0.25, 2.0]], dtype)
    exact = x.numpy().astype(np.float64)
    close = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3}[dtype]
    sharpness = PSS(1.5, trainable_alpha=True, dtype=dtype)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(sharpness(x))
    y = 1 / (1 + np.exp(-1.5 * exact))
    np.testing.assert_allclose(
        tape.gradient(total, sharpness.alpha.value), np.sum(exact * y * (1 - y)), rtol=close
    )

    bent = RationalSS(1.5, 0.5, trainable_a=True, trainable_b=True, dtype=dtype)
    weighted = tf.constant(
        [[1.0, 2.0, 3.0, 4.0, 5.0]], dtype
    )  # the plain sum over an odd function says little
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(bent(x) * weighted)
    by_a, by_b = tape.gradient(total, [bent.a.value, bent.b.value])
    below = 1 + 0.5 * np.abs(exact)
    np.testing.assert_allclose(by_a, np.sum(weighted * exact / below), rtol=close)
    np.testing.assert_allclose(by_b, np.sum(-1.5 * weighted * exact * np.abs(exact) / below**2), rtol=close)


def test_parameter_gradients_stay_finite_on_the_tails():
    for b in (1e-7, 1.0, 6e4):
        layer = RationalSS(1.5, b, trainable_a=True, trainable_b=True)
        for x in (0.0, 1e-38, 1.0, 65504.0, 1e19, 3.4e38):
            with tf.GradientTape() as tape:
                y = layer(tf.constant([[x]]))
            by_a, by_b = tape.gradient(y, [layer.a.value, layer.b.value])
            exact = x / (1 + b * x)
            np.testing.assert_allclose(by_a, exact, rtol=1e-6, atol=2e-38)
            np.testing.assert_allclose(by_b, -1.5 * exact**2, rtol=1e-6, atol=2e-38)


def test_second_derivatives_exist():
    x = tf.constant([-2.0, 0.5], tf.float64)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = rational_ss(x, 1.5, 0.8)
        slope = inner.gradient(y, x)
    exact = -2 * 1.5 * 0.8 * np.sign(x) / (1 + 0.8 * np.abs(x)) ** 3
    np.testing.assert_allclose(outer.gradient(slope, x), exact, rtol=1e-12)
