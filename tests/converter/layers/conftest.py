"""The four activations as test cases: function, layer and a float64 formula of its own in numpy."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from converter.layers import PSS, SS, PolynomialSS, RationalSS, polynomial_ss, pss, rational_ss, ss


@dataclass(frozen=True)
class Case:
    function: Callable
    layer: Callable[..., keras.layers.Layer]
    formula: Callable[[np.ndarray], np.ndarray]  # float64 to float64
    slope: Callable[[np.ndarray], np.ndarray]  # its derivative, likewise


def sigmoid(t):
    small = np.exp(-np.abs(t))
    return np.where(t >= 0, 1.0, small) / (1.0 + small)


def case_of_pss(alpha):
    return Case(
        function=lambda x: pss(x, alpha),
        layer=lambda **kwargs: PSS(alpha, **kwargs),
        formula=lambda x: sigmoid(alpha * x),
        slope=lambda x: alpha * sigmoid(alpha * x) * sigmoid(-alpha * x),
    )


def case_of_rational_ss(a, b):
    return Case(
        function=lambda x: rational_ss(x, a, b),
        layer=lambda **kwargs: RationalSS(a, b, **kwargs),
        formula=lambda x: a * x / (1 + b * np.abs(x)),
        slope=lambda x: a / (1 + b * np.abs(x)) ** 2,
    )


def case_of_polynomial_ss(coefficients, limit):
    polynomial = np.polynomial.Polynomial(coefficients)
    return Case(
        function=lambda x: polynomial_ss(x, coefficients, limit),
        layer=lambda **kwargs: PolynomialSS(coefficients, limit, **kwargs),
        formula=lambda x: polynomial(np.clip(x, -limit, limit)),
        slope=lambda x: polynomial.deriv()(x) * (np.abs(x) <= limit),
    )


CASES = {
    "pss": case_of_pss(2.0),
    "pss_steep": case_of_pss(3.1),
    "pss_falling": case_of_pss(-0.7),
    "ss": Case(ss, SS, lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "rational_ss": case_of_rational_ss(1.5, 0.8),
    "rational_ss_sharp": case_of_rational_ss(-2.0, 60000.0),
    "rational_ss_almost_straight": case_of_rational_ss(0.7, 1e-6),
    "polynomial_ss": case_of_polynomial_ss([0.5, 0.25, 0.0, -0.02, 0.003], 2.5),
    "polynomial_ss_constant": case_of_polynomial_ss([0.25], 1.0),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(params=[PSS, SS, RationalSS, lambda **kwargs: PolynomialSS([0.5, 0.2], 2.0, **kwargs)])
def any_layer(request):
    """A factory for a layer of each class."""
    return request.param


@pytest.fixture
def value_and_slope():
    """Compute y = f(x) and dy/dx, as float64 arrays, with x in a given dtype."""

    def compute(function, x, dtype):
        tensor = tf.cast(tf.constant(x, tf.float64), dtype)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            y = function(tensor)
        assert y.dtype == tensor.dtype
        slope = tape.gradient(y, tensor)
        return tf.cast(y, tf.float64).numpy(), tf.cast(slope, tf.float64).numpy()

    return compute
