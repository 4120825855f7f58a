import re

import numpy as np
import pytest

from converter.layers import PSS, PolynomialSS, RationalSS, polynomial_ss, pss, rational_ss

X = np.ones((2, 3, 4), np.float32)

NOT_NUMBERS = ["2.0", None, True, [True], 1j, [[1.0], [1.0, 2.0]], {"alpha": 1.0}, object()]
NOT_FINITE = [np.nan, np.inf, -np.inf, [1.0, np.nan], 1e39, np.array([[1.0], [-np.inf]])]

PLACES = {
    "PSS": ("alpha", PSS),
    "pss": ("alpha", lambda value: pss(X, value)),
    "RationalSS a": ("a", lambda value: RationalSS(a=value)),
    "RationalSS b": ("b", lambda value: RationalSS(b=value)),
    "rational_ss a": ("a", lambda value: rational_ss(X, a=value)),
    "rational_ss b": ("b", lambda value: rational_ss(X, b=value)),
    "PolynomialSS": ("coefficients", lambda value: PolynomialSS(value, 1.0)),
    "polynomial_ss": ("coefficients", lambda value: polynomial_ss(X, value, 1.0)),
    "PolynomialSS limit": ("limit", lambda value: PolynomialSS([1.0], value)),
    "polynomial_ss limit": ("limit", lambda value: polynomial_ss(X, [1.0], value)),
}
everywhere = pytest.mark.parametrize(("name", "use"), PLACES.values(), ids=PLACES)


@everywhere
@pytest.mark.parametrize("value", NOT_NUMBERS, ids=[*map(repr, NOT_NUMBERS[:-1]), "object()"])
def test_what_is_not_a_number_is_refused_by_name(name, use, value):
    with pytest.raises(TypeError, match=rf"^{name} must be a real number or a list of them, not "):
        use(value)


@everywhere
@pytest.mark.parametrize("value", NOT_FINITE, ids=repr)
def test_what_is_not_finite_is_refused_by_name(name, use, value):
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        use(value)


@everywhere
def test_an_empty_list_is_refused_by_name(name, use):
    with pytest.raises(ValueError, match=rf"^{name} is empty; give a number"):
        use([])


@pytest.mark.parametrize("use", [lambda b: RationalSS(b=b), lambda b: rational_ss(X, b=b)])
@pytest.mark.parametrize(("b", "pole"), [(-0.5, "2"), ([1.0, -4.0, 0.0], "0.25"), (-1e-20, "1e+20")])
def test_a_negative_b_is_refused_with_its_pole(use, b, pole):
    reason = f"has a pole at |x| = 1 / |b| = {pole}"
    with pytest.raises(ValueError, match=re.escape(reason)):
        use(b)


def test_a_learned_b_must_start_above_0():
    with pytest.raises(ValueError, match="b must start above 0 to be learned"):
        RationalSS(b=[1.0, 0.0], trainable_b=True)
    assert RationalSS(b=[1.0, 0.0])(X[..., :2]).shape == (2, 3, 2)


def test_a_learned_value_beyond_the_weights_dtype_is_refused():
    with pytest.raises(ValueError, match="alpha must be finite in float16"):
        PSS(1e6, trainable_alpha=True, dtype="float16")
    assert np.isfinite(PSS(1e6, dtype="float16")(X)).all()  # fixed, it is computed with in float32


@pytest.mark.parametrize(
    ("axis", "error"), [(0, ValueError), (1.0, TypeError), (True, TypeError), ([1], TypeError)]
)
def test_an_axis_that_is_none_is_refused(axis, error):
    with pytest.raises(error, match=r"^axis "):
        PSS(axis=axis)


def test_values_that_do_not_fit_each_other_or_the_axis_are_refused():
    with pytest.raises(ValueError, match=r"do not fit each other: a \(2,\), b \(3,\)"):
        RationalSS([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"alpha has shape \(1, 2\); with axis=1 give a number or a vector"):
        PSS([[1.0, 2.0]], axis=1)


@pytest.mark.parametrize(
    ("layer", "complaint"),
    [
        (PSS([1.0, 2.0, 3.0]), "expected axis -1 of input shape to have value 3"),
        (PSS([1.0, 2.0, 3.0, 4.0], axis=1), "expected axis 1 of input shape to have value 4"),
        (PSS(np.ones((2, 3, 4))), "expected min_ndim=4"),
        (PSS(np.ones((1, 1, 1, 4))), "expected min_ndim=4"),
        (PSS(trainable_alpha=True, axis=3), "expected min_ndim=4"),
    ],
)
def test_inputs_that_do_not_fit_the_parameters_are_refused(layer, complaint):
    with pytest.raises(ValueError, match=complaint):
        layer(X)


def test_a_vector_never_enlarges_an_axis_of_size_1():
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 3"):
        PSS([1.0, 2.0, 3.0])(X[..., :1])


def test_a_built_layer_refuses_another_number_of_channels():
    layer = PSS(trainable_alpha=True, axis=-1)
    layer(X[..., :1])
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 1"):
        layer(X)


@pytest.mark.parametrize("limit", [0, -1.0, [1.0, 2.0], [1.0]])
def test_a_limit_must_be_one_number_above_0(limit):
    with pytest.raises(ValueError, match="limit must be one number above 0"):
        PolynomialSS([0.5], limit)


@pytest.mark.parametrize("coefficients", [1.0, [[1.0, 2.0]]])
def test_coefficients_must_be_a_flat_list(coefficients):
    with pytest.raises(ValueError, match="coefficients must be a flat list"):
        PolynomialSS(coefficients, 1.0)


def test_a_polynomial_that_overflows_within_its_limit_is_refused():
    with pytest.raises(ValueError, match=r"leaves the range of float32 within limit = 10000.0; lower it"):
        PolynomialSS([0.0] * 10 + [1.0], 1e4)
    assert np.isfinite(PolynomialSS([0.0] * 10 + [1.0], 5e3)(X * 1e9)).all()
