"""Each activation: its formula, its limits, and the plain steps that compute it."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from converter.activations import (
    ACTIVATIONS,
    PSS,
    SS,
    PolynomialSS,
    RationalSS,
    by_class,
    by_expression,
    by_function,
    number,
    parameter,
)
from converter.errors import UnsafeFileError, UnsupportedError
from converter.lambdas import Add, Call, Div, Input, Mul, Number

X = Input()
POINTS = np.concatenate([-np.logspace(-3, 3, 60)[::-1], [0.0], np.logspace(-3, 3, 60)])


def run(step, x):
    """A plain step in float64, written independently of the activations."""
    config = step.config
    match step.kind, config.get("activation"):
        case "Rescaling", _:
            return x * np.asarray(config["scale"]) + config["offset"]
        case "Activation", "sigmoid":
            return 0.5 * (1 + np.tanh(x / 2))
        case "Activation", "softsign":
            return x / (1 + np.abs(x))
        case "Quotient", _:
            return np.asarray(config["a"]) * x / (1 + np.asarray(config["b"]) * np.abs(x))
        case "Polynomial", _:
            return np.polynomial.Polynomial(config["coefficients"])(
                np.clip(x, -config["limit"], config["limit"])
            )
    raise AssertionError(step)


CASES = [
    (PSS(2.0), "Rescaling Activation", lambda x: 1 / (1 + np.exp(-2 * x))),
    (PSS(1.0), "Activation", lambda x: 1 / (1 + np.exp(-x))),
    (PSS(-0.5), "Rescaling Activation", lambda x: 1 / (1 + np.exp(0.5 * x))),
    (PSS(0.0), "Rescaling Activation", lambda x: 0.5 + 0 * x),
    (SS(), "Activation", lambda x: x / (1 + np.abs(x))),
    (RationalSS(1.5, 0.8), "Rescaling Activation Rescaling", lambda x: 1.5 * x / (1 + 0.8 * np.abs(x))),
    (RationalSS(1.0, 1.0), "Activation", lambda x: x / (1 + np.abs(x))),
    (RationalSS(2.0, 1.0), "Activation Rescaling", lambda x: 2 * x / (1 + np.abs(x))),
    (RationalSS(0.8, 0.8), "Rescaling Activation", lambda x: 0.8 * x / (1 + 0.8 * np.abs(x))),
    (RationalSS(3.0, 0.0), "Rescaling", lambda x: 3 * x),
    (RationalSS(0.0, 1.0), "Activation Rescaling", lambda x: 0 * x),
    (RationalSS(1.0, 1e-30), "Quotient", lambda x: x),
    (RationalSS(1.0, 1e4), "Quotient", lambda x: x / (1 + 1e4 * np.abs(x))),
    (RationalSS(1e-4, 1.0), "Quotient", lambda x: 1e-4 * x / (1 + np.abs(x))),
    (PolynomialSS((0.5, 0.25, 0.0, -0.01), 3.0), "Polynomial", None),
]


@pytest.mark.parametrize(("activation", "kinds", "formula"), CASES)
def test_the_steps_compute_the_formula(activation, kinds, formula):
    steps = activation.lower()
    assert " ".join(step.kind for step in steps) == kinds
    y = POINTS
    for step in steps:
        y = run(step, y)
    np.testing.assert_allclose(y, activation.evaluate(POINTS), rtol=1e-9, atol=1e-15)
    if formula:
        with np.errstate(over="ignore"):
            np.testing.assert_allclose(y, formula(POINTS), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    "activation",
    [PSS((1.0, 2.0, -3.0)), RationalSS((1.0, 2.0, 3.0), (0.5, 1.0, 2.0)), RationalSS(1.0, (0.0, 1.0, 2.0))],
)
def test_numbers_by_channel_stay_with_their_channel(activation):
    x = np.repeat(POINTS[:, None], 3, axis=1)
    y = x
    for step in activation.lower():
        y = run(step, y)
    np.testing.assert_allclose(y, activation.evaluate(x), rtol=1e-9, atol=1e-15)
    assert np.abs(y[-1, 0] - y[-1, 2]) > 1e-3


def test_a_channel_without_a_bend_is_not_divided_by():
    assert [step.kind for step in RationalSS(1.0, (0.0, 1.0)).lower()] == ["Quotient"]


@pytest.mark.parametrize("b", [-0.5, (1.0, -1e-9)])
def test_a_pole_is_refused_with_its_place(b):
    with pytest.raises(UnsupportedError, match=r"divides by zero at \|x\| = "):
        RationalSS(1.0, b)


@pytest.mark.parametrize(
    ("coefficients", "limit"),
    [
        ((), 1.0),
        ((1.0,) * 33, 1.0),
        ((1.0,), 0.0),
        ((1.0,), -1.0),
        ((0.0, 1e38), 10.0),
        (1.0, 1.0),
        ((1.0,), (1.0,)),
    ],
)
def test_a_polynomial_that_cannot_be_computed_is_refused(coefficients, limit):
    with pytest.raises(UnsupportedError, match="PolynomialSS"):
        PolynomialSS(coefficients, limit)


@pytest.mark.parametrize(
    ("activation", "text"),
    [
        (PSS(3.0), "sigmoid(3 x)"),
        (PSS((1.0, 2.0)), "sigmoid([1 .. 2] x)"),
        (SS(), "x / (1 + |x|)"),
        (RationalSS(1.5, 0.8), "1.5 x / (1 + 0.8 |x|)"),
        (PolynomialSS((0.5, 0.25, 0.0, -0.01), 3.0), "0.5 + 0.25 x - 0.01 x^3, |x| <= 3"),
        (PolynomialSS((-1.0,), 2.0), "-1, |x| <= 2"),
        (PolynomialSS((0.0,), 2.0), "0, |x| <= 2"),
    ],
)
def test_the_formula_for_people(activation, text):
    assert activation.formula == text


@pytest.mark.parametrize("activation", [case[0] for case in CASES])
def test_the_largest_input_keeps_the_literal_formula_finite_in_float32(activation):
    largest = np.float32(activation.largest_input(float(np.finfo(np.float32).max)))
    with np.errstate(over="raise", invalid="raise"):
        match activation:
            case PSS(alpha):
                assert np.isfinite(np.float32(alpha) * largest)
            case RationalSS(a, b):
                assert np.isfinite(np.float32(a) * largest / (1 + np.float32(b) * largest))
            case SS():
                assert np.isfinite(1 + largest)
            case PolynomialSS():
                assert np.isfinite(activation.evaluate(largest))
    assert largest > 1e30


@pytest.mark.parametrize(
    ("expression", "activation"),
    [
        (Div(X, Add(Number(1.0), Call("tf.abs", (X,)))), SS()),
        (
            Div(Mul(Number(1.5), X), Add(Number(1.0), Mul(Number(0.8), Call("K.abs", (X,))))),
            RationalSS(1.5, 0.8),
        ),
        (Call("tf.nn.sigmoid", (Mul(Number(3.0), X),)), PSS(3.0)),
        (Call("tf.nn.softsign", (X,)), SS()),
        (Call("smooth_sigmoid", (X,)), SS()),
    ],
)
def test_an_expression_that_is_an_activation(expression, activation):
    assert by_expression(expression)[0] == activation


@pytest.mark.parametrize(
    "expression",
    [
        X,
        Mul(Number(2.0), Call("smooth_sigmoid", (X,))),
        Call("pss", (X,)),
        Call("tf.nn.relu", (X,)),
        Div(X, Call("abs", (X,))),
    ],
)
def test_an_expression_that_is_none(expression):
    assert by_expression(expression) is None


def test_an_expression_with_a_pole_is_refused():
    with pytest.raises(UnsupportedError, match="divides by zero"):
        by_expression(Div(X, Add(Number(1.0), Mul(Number(-0.01), Call("tf.abs", (X,))))))


def test_every_name_leads_to_one_activation():
    names = [name for kind in ACTIVATIONS.values() for name in kind.class_names]
    assert len(names) == len(set(names))
    assert by_class("PSSLayer") is PSS
    assert by_class("PSSLayers") is None
    assert by_function("smooth_sigmoid") is SS
    assert by_function("smooth") is None


@pytest.mark.parametrize(("value", "result"), [(2, 2.0), (0.5, 0.5), (-1e30, -1e30)])
def test_a_number(value, result):
    assert number(value, "alpha", "here") == result
    assert parameter([value, 1], "alpha", "here") == (result, 1.0)


@pytest.mark.parametrize("value", [True, "1", None, float("nan"), float("-inf"), 10**400, [1.0], {}])
def test_no_number(value):
    with pytest.raises(UnsafeFileError, match="parameter 'alpha' must be") as refusal:
        number(value, "alpha", "here")
    assert len(str(refusal.value)) < 200


EXTREMES = {
    "pss": [PSS(0.0), PSS(-0.0), PSS((0.0, 0.0)), PSS((0.0, -3.0)), PSS(5e-324), PSS(-1.7e308)],
    "ss": [SS()],
    "rational_ss": [
        RationalSS(0.0, 0.0),
        RationalSS(1.0, (0.0, 0.0)),
        RationalSS(0.0, 5e-324),
        RationalSS(1.0, 1.7e308),
    ],
    "polynomial_ss": [PolynomialSS((0.0,), 5e-324), PolynomialSS((1.0,), 1.7e308)],
}

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(0, allow_infinity=False)


def one_or_several(numbers):
    return numbers | st.lists(numbers, min_size=1, max_size=4).map(tuple)


def polynomial(coefficients, limit):
    """A polynomial, unless it leaves float32."""
    try:
        return PolynomialSS(tuple(coefficients), limit)
    except UnsupportedError:
        return PolynomialSS((0.0,), limit)


EVERY = {
    "pss": st.builds(PSS, one_or_several(NUMBERS)),
    "ss": st.builds(SS),
    "rational_ss": st.builds(RationalSS, one_or_several(NUMBERS), one_or_several(POSITIVE)),
    "polynomial_ss": st.builds(
        polynomial,
        st.lists(NUMBERS, min_size=1, max_size=32),
        st.floats(0, exclude_min=True, allow_infinity=False),
    ),
}


def test_every_activation_is_held_to_the_contract():
    assert EVERY.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("key", ACTIVATIONS)
@given(st.data())
@example(None)
def test_a_scale_is_positive_and_finite_whatever_the_numbers_are(key, data):
    for activation in [data.draw(EVERY[key])] if data else EXTREMES[key]:
        assert 0 < activation.scale < math.inf
        assert 0 < activation.largest_input(65504.0) <= 65504.0
        assert activation.formula
        assert activation.lower()
