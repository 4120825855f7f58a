import base64
import marshal

import pytest

from converter.lambdas import (
    Add,
    Div,
    Input,
    Mul,
    Number,
    as_named_call,
    as_rational,
    as_sigmoid,
    as_softsign,
    constant,
    read_lambda,
    scaled_abs,
    scaled_input,
)


def parse(body):
    code = compile(f"lambda x: {body}", "<lambda>", "eval").co_consts[0]
    return read_lambda(base64.b64encode(marshal.dumps(code)).decode(), None, None)


@pytest.mark.parametrize(
    ("body", "a", "b"),
    [
        ("x / (1 + abs(x))", 1, 1),
        ("x / (tf.abs(x) + 1.0)", 1, 1),
        ("1.5 * x / (1 + 0.8 * K.abs(x))", 1.5, 0.8),
        ("1.5 * (x / (1 + 0.8 * np.abs(x)))", 1.5, 0.8),
        ("x / (1 + tf.math.abs(x)) / 4", 0.25, 1),
        ("-x / (2 + keras.ops.absolute(x))", -0.5, 0.5),
        ("-(x / (2 - -ops.abs(x)))", -0.5, 0.5),
        ("x / (-1 - abs(x))", -1, 1),
        ("x / -(1 + abs(x))", -1, 1),
        ("x / (3 * (2 + abs(-4 * x)))", 1 / 6, 2),
        ("x / ((2 + abs(x)) / 2)", 1, 0.5),
        ("x / (1 - tf.abs(x) * 0.01)", 1, -0.01),
        ("x / (abs(x) - 2)", -0.5, -0.5),
        ("x / (1 + 1e-30 * abs(x))", 1, 1e-30),
    ],
)
def test_a_quotient_of_x_and_a_constant_plus_abs_is_rational(body, a, b):
    assert as_rational(parse(body)) == pytest.approx((a, b), rel=1e-15)


@pytest.mark.parametrize(
    "body",
    [
        "2 * smooth_sigmoid(x)",
        "1.5 * x",
        "x / abs(x)",
        "x / (0 + abs(x))",
        "x / (1 + x)",
        "x / (1 + fabs(x))",
        "x / (1 + abs(x + 1))",
        "x / (1 + abs(x) + abs(x))",
        "x / (1 + abs(x) ** 2)",
        "x / (1 + abs(x)) ** 2",
        "x / (1 + abs(x)) + 0.5",
        "(x + 1) / (1 + abs(x))",
        "x * x / (1 + abs(x))",
        "(1 + abs(x)) / x",
        "x * (1 + abs(x))",
        "abs(x) / (1 + abs(x))",
        "f(x) / (1 + abs(x))",
        "1 / (1 + abs(x))",
        "x / (1e8 + abs(x) - 1e8 + 1)",
        "x / 0 / (1 + abs(x))",
        "x / (1e-300 + abs(x))",
        "x * 1e-200 * 1e200 / (1 + abs(x))",
        "x * 1e30 * 1e30 / (1 + abs(x))",
        "0 * x / (1 + abs(x))",
    ],
)
def test_no_other_quotient_is_rational(body):
    assert as_rational(parse(body)) is None


@pytest.mark.parametrize(
    ("body", "alpha"),
    [
        ("tf.nn.sigmoid(3.0 * x)", 3),
        ("tf.sigmoid(x)", 1),
        ("tf.math.sigmoid(x * 2)", 2),
        ("K.sigmoid(-x / 4)", -0.25),
        ("tf.keras.activations.sigmoid(x)", 1),
        ("keras.ops.sigmoid(2 * (3 * x))", 6),
    ],
)
def test_a_sigmoid_of_a_scaled_input_has_that_alpha(body, alpha):
    assert as_sigmoid(parse(body)) == alpha


@pytest.mark.parametrize(
    "body",
    [
        "2 * tf.nn.sigmoid(x)",
        "-tf.nn.sigmoid(x)",
        "tf.nn.sigmoid(x + 1)",
        "tf.nn.sigmoid(x) + 0",
        "tf.nn.sigmoid(tf.nn.sigmoid(x))",
        "K.hard_sigmoid(x)",
        "tf.nn.log_sigmoid(x)",
        "mine.sigmoid(x)",
        "sigmoid(x)",
        "tf.nn.sigmoid(2)",
        "tf.nn.sigmoid(1e99 * x)",
    ],
)
def test_nothing_else_is_a_sigmoid(body):
    assert as_sigmoid(parse(body)) is None


def test_a_scaled_softsign_is_given_as_the_rational_that_it_is():
    assert as_softsign(parse("keras.activations.softsign(x)")) == (1, 1)
    assert as_softsign(parse("6 * tf.nn.softsign(-0.5 * x)")) == (-3, 0.5)
    assert as_softsign(parse("K.softplus(x)")) is None
    assert as_softsign(parse("tf.nn.softsign(x) + 1")) is None
    assert as_softsign(parse("tf.nn.softsign(x * x)")) is None


def test_a_named_call_is_exactly_f_of_x():
    assert as_named_call(parse("smooth_sigmoid(x)")) == "smooth_sigmoid"
    assert as_named_call(parse("my.own.smooth_sigmoid(x)")) == "my.own.smooth_sigmoid"
    assert as_named_call(parse("2 * smooth_sigmoid(x)")) is None
    assert as_named_call(parse("smooth_sigmoid(2 * x)")) is None
    assert as_named_call(parse("x")) is None


def test_a_scale_is_gathered_from_products_quotients_and_signs_only():
    assert scaled_input(parse("-(2 * x) / -4 * 3")) == 1.5
    assert scaled_input(parse("x + x")) is None
    assert scaled_input(parse("2 / x")) is None
    assert scaled_input(parse("x ** 1")) is None
    assert scaled_abs(parse("-2 * tf.keras.backend.abs(x * -3) / 4")) == -1.5
    assert scaled_abs(parse("tf.abs(abs(x))")) is None


def test_constants_are_folded_in_float64_and_never_to_what_is_not_finite():
    tenth, fifth = Number(0.1), Number(0.2)
    assert constant(Add(tenth, fifth)) == 0.1 + 0.2
    assert scaled_input(Mul(Add(tenth, fifth), Input())) == 0.1 + 0.2
    assert constant(Div(Number(1.0), Number(0.0))) is None
    assert constant(Mul(Number(1e300), Number(1e300))) is None
    assert constant(Add(Number(1.0), Input())) is None
