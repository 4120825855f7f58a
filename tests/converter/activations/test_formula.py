"""A formula that a lambda spells: what it computes, which are refused, and where rounding decides about it."""

import base64
import marshal
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.activations import Formula, by_expression
from converter.activations.float64_operations import FLOAT64
from converter.errors import UnsupportedError
from converter.lambdas import FUNCTIONS, Call, Input, Number, read_lambda

POINTS = np.concatenate([-np.logspace(-3, 1.5, 60)[::-1], [0.0], np.logspace(-3, 1.5, 60)])


def expression(body):
    code = compile(f"lambda x: {body}", "<lambda>", "eval").co_consts[0]
    return read_lambda(base64.b64encode(marshal.dumps(code)).decode(), None, None)


def formula(body):
    return Formula(expression(body))


def erf(x):
    return np.vectorize(math.erf)(x)


FORMULAS = {
    "x / 255.": lambda x: x / 255,
    "(x - 127.5) / 127.5": lambda x: x / 127.5 - 1,
    "x * tf.sigmoid(x)": lambda x: x / (1 + np.exp(-x)),
    "x ** 2": lambda x: x * x,
    "2 ** x": lambda x: np.exp(x * np.log(2)),
    "K.clip(x, 0, max_value=6)": lambda x: np.minimum(np.maximum(x, 0), 6),
    "tf.clip_by_value(clip_value_max=6, t=x, clip_value_min=-1)": lambda x: np.minimum(np.maximum(x, -1), 6),
    "tf.where(x > 0, x, 0.1 * x)": lambda x: np.maximum(x, 0.1 * x),
    "np.where(1 >= x, 1., np.where(2 <= x, 2., x))": lambda x: np.clip(x, 1, 2),
    "tf.where(tf.logical_or(x < -1, tf.logical_not(x < 1)), tf.sign(x), x)": lambda x: np.clip(x, -1, 1),
    "tf.maximum(x, 0.1 * x) - ops.minimum(x, 0)": lambda x: np.where(x > 0, x, -0.9 * x),
    "tf.nn.leaky_relu(x)": lambda x: np.where(x > 0, x, 0.2 * x),
    "ops.leaky_relu(x, negative_slope=0.3)": lambda x: np.where(x > 0, x, 0.3 * x),
    "tf.nn.gelu(x)": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "0.5 * x * (1 + tf.math.erf(x / np.sqrt(2)))": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "jax.nn.gelu(x)": lambda x: x / (1 + np.exp(-2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "x * tf.tanh(tf.nn.softplus(x))": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "tf.nn.elu(x)": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "tf.nn.selu(x)": lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * (np.exp(x) - 1)),
    "tf.nn.relu6(x + 3) / 6 * tf.nn.silu(x)": lambda x: np.clip(x + 3, 0, 6) / 6 * x / (1 + np.exp(-x)),
    "tf.math.reciprocal(1 + tf.exp(-x))": lambda x: 1 / (1 + np.exp(-x)),
    "x * tf.math.rsqrt(1 + tf.square(x))": lambda x: x / np.sqrt(1 + x * x),
    "tf.math.log1p(tf.abs(x)) + tf.math.log(3.)": lambda x: np.log(3 + 3 * np.abs(x)),
    "tf.math.expm1(-x) * tf.math.ceil(x)": lambda x: (np.exp(-x) - 1) * np.ceil(x),
    "tf.round(x) + tf.floor(x)": lambda x: np.rint(x) + np.floor(x),
    "tf.sin(x * np.pi) + tf.cos(math.e * x)": lambda x: np.sin(x * np.pi) + np.cos(np.e * x),
    "tf.sigmoid(0 * x)": lambda x: 0.5 + 0 * x,
    "x": lambda x: x,
}


@pytest.mark.parametrize("body", FORMULAS)
def test_it_computes_what_the_lambda_computes(body):
    with np.errstate(over="ignore"):
        expected = FORMULAS[body](POINTS)
    np.testing.assert_allclose(formula(body).evaluate(POINTS), expected, rtol=1e-7, atol=1e-12)


def test_every_known_name_has_an_operation_and_every_operation_a_name():
    assert {function.operation for function in FUNCTIONS.values()} == FLOAT64.keys()


REFUSED = {
    "tf.reduce_mean(x)": "'tf.reduce_mean' is not known to work on each element",
    "tf.matmul(x, x)": "'tf.matmul' is not known",
    "tf.nn.softmax(x)": "'tf.nn.softmax' is not known",
    "x * my_function(x)": "'my_function' is not known",
    "sigmoid(x) + 1": "'sigmoid' is not known",
    "max(x, 0)": "'max' is not known",
    "K.hard_sigmoid(x)": "'K.hard_sigmoid' is not known",
    "x > 0": "it gives truth values",
    "tf.logical_not(x > 0)": "it gives truth values",
    "(x > 0) * x": "it takes a truth value for a number",
    "tf.where(x, x, x)": "it takes a number for a truth value",
    "tf.where(1 > 0, x, x)": "it compares two numbers",
    "tf.where(x > 0, 1, 0)": "it gives integers",
    "3.0": "it does not depend on its input",
    "tf.exp(1.0)": "it does not depend on its input",
    "x + 1 / 0": "its constant divide is inf",
    "x * 10 ** 400": "its constant power is inf",
    "x * np.log(0)": "its constant log is -inf",
    "math.exp(x)": "'math.exp' takes numbers",
    "tf.abs()": "'tf.abs' does with 0 arguments is not known",
    "tf.abs(x, 2)": "'tf.abs' does with 2 arguments is not known",
    "tf.maximum(x)": "'tf.maximum' does with 1 arguments is not known",
    "tf.maximum(x, a=2)": "the argument 'a' of 'tf.maximum' is not known",
    "tf.maximum(x, x=2)": "gives 'tf.maximum' the argument 'x' twice",
    "np.maximum(x, x2=2)": "the argument 'x2' of 'np.maximum' is not known",
    "keras.activations.relu(x, max_value=6)": "the argument 'max_value' of",
    "K.clip(x, 6, 0)": "limits other than two ascending numbers",
    "tf.clip_by_value(1.0, x, 2)": "limits other than two ascending numbers",
    "-" * 70 + "x": "nested deeper than 60 levels",
}


@pytest.mark.parametrize("body", REFUSED)
def test_what_is_no_elementwise_function_of_x_is_refused_with_its_reason(body):
    with pytest.raises(UnsupportedError) as refusal:
        formula(body)
    assert REFUSED[body] in refusal.value.what


@pytest.mark.parametrize(
    ("body", "steps"),
    [
        ("x", [("Activation", "linear")]),
        ("tf.nn.relu(x)", [("Activation", "relu")]),
        ("tf.exp(x)", [("Activation", "exponential")]),
        ("tf.nn.silu(x)", [("Activation", "silu")]),
        ("tf.nn.softplus(x)", [("Formula", None)]),  # TFLite would end it at 88
        ("x * tf.sigmoid(x)", [("Formula", None)]),
        ("tf.nn.relu(2 * x)", [("Formula", None)]),
    ],
)
def test_it_is_a_built_in_function_where_there_is_one_else_one_step(body, steps):
    assert [(step.kind, step.config.get("activation")) for step in formula(body).lower()] == steps


def test_constants_are_folded_in_float64():
    (step,) = formula("x * np.sqrt(2 / math.pi)").lower()
    assert step.config["expression"] == Call("multiply", (Input(), Number(math.sqrt(2 / math.pi))))


@pytest.mark.parametrize(
    ("body", "text"), [("x * tf.sigmoid(x)", "x * tf.sigmoid(x)"), ("tf.abs(x)", "tf.abs(x)"), ("-x", "-x")]
)
def test_the_formula_for_people(body, text):
    assert formula(body).formula == formula(body).arguments()["expression"] == text


@pytest.mark.parametrize(
    ("body", "scale"),
    [("x / 255.", 1 / 255), ("tf.tanh(-3 * x) + 0.1 * x", 3), ("x ** 2", 1), ("0 * x", 1), ("x / 1e-310", 1)],
)
def test_the_scale_is_the_largest_factor_on_x_and_never_zero(body, scale):
    assert formula(body).scale == scale


def test_named_activations_keep_precedence():
    assert by_expression(expression("tf.sigmoid(3 * x)"))[0].key == "pss"
    assert by_expression(expression("x / (1 + 2 * tf.abs(x))"))[0].key == "rational_ss"
    assert by_expression(expression("tf.nn.softsign(x)"))[0].key == "ss"


STEADY, UNSTEADY = 1e-5, np.inf


@pytest.mark.parametrize(
    ("body", "x", "least", "most"),
    [
        ("x * tf.sigmoid(x)", 2.0, 0, STEADY),
        ("tf.exp(x)", 10.0, 0, 0.1),
        ("tf.exp(x)", 88.9, UNSTEADY, UNSTEADY),  # overflows float32
        ("tf.sigmoid(tf.exp(x))", 200.0, 0, STEADY),  # so does this on the way, and it does not matter
        ("tf.exp(x) / tf.exp(x)", 200.0, UNSTEADY, UNSTEADY),  # inf / inf in float32, 1 in float64
        ("tf.math.log(x)", 1e-40, UNSTEADY, UNSTEADY),  # a denormal, which some runtimes take as 0
        ("tf.math.log(x)", 1e-30, 0, STEADY),
        ("tf.math.log(x)", -1.0, 0, 0),  # NaN everywhere
        ("tf.sign(x)", 1e-40, 1, 1.001),
        ("tf.sign(x)", 1e-30, 0, STEADY),
        ("tf.sin(3 * x)", 1e20, 0.01, 2),  # the last digit of 3 x is many periods
        ("tf.sin(x)", 1e20, 0.01, 2),  # so is that of x
        ("tf.sin(x)", 3.0, 0, STEADY),
        ("tf.math.log(1 + tf.exp(x))", 1e5, UNSTEADY, UNSTEADY),  # inf, or 88 where exp ends there
        ("tf.sqrt(x * x + 1) - x", 1e6, 0.01, 1),  # the difference of two large numbers
        ("tf.floor(3 * x)", 1.0, 1, 1.001),  # on the step
        ("tf.floor(3 * x)", 1.1, 0, STEADY),
    ],
)
def test_where_rounding_decides_about_the_answer(body, x, least, most):
    (uncertain,) = formula(body).uncertainty(np.array([x], np.float32))
    assert least <= uncertain <= most


numbers = st.one_of(st.integers(0, 9).map(str), st.floats(0, 50, allow_subnormal=False).map(repr))
sources = st.recursive(
    st.one_of(st.just("x"), st.just("x"), st.sampled_from(["a", "b"]), numbers),
    lambda inner: st.one_of(
        inner.map("(-{})".format),
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: "({} {} {})".format(*parts)),
        st.tuples(inner, st.integers(0, 3)).map(lambda parts: "({} ** {})".format(*parts)),
        st.tuples(
            st.sampled_from(["abs", "np.tanh", "np.sin", "np.square", "np.sign", "np.round"]), inner
        ).map(lambda parts: "{}({})".format(*parts)),
        st.tuples(st.sampled_from(["maximum", "minimum", "add"]), inner, inner).map(
            lambda parts: "np.{}({}, {})".format(*parts)
        ),
        st.tuples(inner, st.floats(-2, 0), st.floats(0, 2)).map(
            lambda parts: f"np.clip({parts[0]}, a_max={parts[2]}, a_min={parts[1]})"
        ),
        st.tuples(inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner, inner, inner).map(
            lambda parts: "np.where({} {} {}, {}, {})".format(*parts)
        ),
    ),
    max_leaves=12,
)


@given(source=sources, a=st.integers(1, 5), b=st.floats(-3, 3, allow_subnormal=False))
@settings(max_examples=400)
def test_whatever_python_compiles_is_computed_as_python_computes_it(source, a, b):
    # b is a free variable, a has a default.
    made = eval(f"lambda b: lambda x, a={a}: x + {source}", {"np": np})(b)  # noqa: S307  built just above
    closure = [cell.cell_contents for cell in made.__closure__ or ()]
    code = base64.b64encode(marshal.dumps(made.__code__)).decode()
    read = read_lambda(code, list(made.__defaults__), closure)
    try:
        ours = Formula(read).evaluate(POINTS)
    except UnsupportedError:
        return
    with np.errstate(all="ignore"):
        expected = made(POINTS)
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=0)
