"""A lambda's formula alone in the formats, on its tails, against the very functions that it names."""

import base64
import marshal
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from converter.activations import PSS, Formula
from converter.activations.float64_operations import FLOAT64
from converter.exporters.contract import ExportOptions
from converter.graph import Call, Graph, Layer, Ref
from converter.lambdas import FUNCTIONS, read_lambda
from converter.layers.formula import named_function
from converter.options import Options
from converter.parity.activation_probe import activation_inputs
from converter.parity.activation_proof import prove_activations
from converter.parity.tolerance_settings import ToleranceSettings
from converter.pipeline import convert

K = tf.keras.backend
layers = keras.layers

FORMULAS = [
    "x / 255.",
    "(x - 127.5) / 127.5",
    "x * tf.sigmoid(x)",
    "x ** 2 - x ** 3",
    "2 ** x",
    "x ** 0.5",
    "K.clip(x, 0, max_value=6) / 6",
    "tf.clip_by_value(x, -1, 2)",
    "tf.where(x > 0, x, 0.1 * x)",
    "tf.where(x > 0, tf.math.log(x), 0.)",  # what is not chosen is NaN
    "np.where(x > 0, x, 0.2 * (np.exp(x) - 1))",  # what is not chosen is infinite
    "tf.where(tf.logical_and(x > -1, tf.less_equal(x, 1)), x, tf.sign(x))",
    "tf.where(x > 0, 1.0, 0.0)",
    "tf.maximum(x, 0.1 * x)",
    "tf.nn.leaky_relu(x, alpha=0.3)",
    "1.7159 * tf.tanh(2 / 3 * x)",
    "tf.nn.relu(x)",
    "tf.nn.relu6(x + 3) / 6 * x",
    "tf.exp(-x * x)",
    "tf.exp(x)",
    "tf.math.log(x)",
    "tf.math.log(1 + tf.exp(x))",
    "tf.nn.softplus(x)",
    "x * tf.tanh(tf.nn.softplus(x))",
    "tf.math.log1p(tf.abs(x)) * tf.sign(x)",
    "tf.math.expm1(x)",
    "tf.sqrt(tf.square(x) + 1) - x",
    "x * tf.math.rsqrt(1 + x * x)",
    "1 / x + tf.math.reciprocal(1 + tf.exp(-x))",
    "tf.sin(3 * x) + tf.cos(x)",
    "tf.round(x * 4) / 4 + tf.floor(x) - tf.math.ceil(x)",
    "tf.nn.elu(x) + 0.5",
    "tf.nn.selu(x) + 0.5",
    "tf.nn.silu(x) * 0.5",
    "ops.gelu(x) + 0.",
    "tf.nn.gelu(x)",
    "0.5 * x * (1 + tf.math.erf(x / np.sqrt(2)))",
    "0.5 * x * (1 + tf.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * tf.pow(x, 3))))",
    "tf.sigmoid(0 * x)",
    "-x",
    "x",
]
ELSEWHERE = [
    "x / 255.",
    "tf.where(x > 0, tf.math.log(x), 0.)",
    "K.clip(x, 0, max_value=6) / 6",
    "x ** 2 - x ** 3",
    "tf.nn.softplus(x)",
    "tf.math.log(1 + tf.exp(x))",
    "tf.sin(3 * x) + tf.cos(x)",
    "tf.math.expm1(x)",
]


def formula(body):
    code = compile(f"lambda x: {body}", "<lambda>", "eval").co_consts[0]
    return Formula(read_lambda(base64.b64encode(marshal.dumps(code)).decode(), None, None))


def alone(activation, target, policy="float32"):
    graph = Graph(
        "alone",
        {
            "x": Layer("x", "InputLayer", {"batch_shape": [None, 1], "dtype": "float32"}),
            "y": Layer("y", "Activation", policy=policy, activations={"activation": activation}),
        },
        (Call("y", 0, (Ref("x"),)),),
        (("x", Ref("x")),),
        (("y", Ref("y")),),
    )
    tolerances = ToleranceSettings(precision=policy.removeprefix("mixed_"))
    (figures,) = prove_activations(graph, target, ExportOptions(), tolerances).values()
    return figures


@pytest.mark.parametrize("body", FORMULAS)
def test_onnx_computes_what_the_named_functions_compute(body):
    figures = alone(formula(body), "onnx")
    assert figures.passed, figures.worst
    assert figures.elements > 5000, "too few points are steady to prove anything"


@pytest.mark.parametrize("target", ["tflite", "saved_model"])
@pytest.mark.parametrize("body", ELSEWHERE)
def test_other_formats_do_as_well(body, target):
    figures = alone(formula(body), target)
    assert figures.passed, figures.worst
    assert figures.elements > 5000


ONE_ARGUMENT = sorted(name for name, known in FUNCTIONS.items() if len(known.parameters) == 1)
NAMED = sorted(FUNCTIONS.keys() - set(ONE_ARGUMENT))
VALUES = {
    "where": [True, 2.0, 3.0],
    "clip": [0.5, -1.0, 1.0],
    "logical_and": [True, False],
    "logical_or": [True, False],
}


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_every_name_of_a_function_of_x_means_its_operation(name):
    logical = FUNCTIONS[name].operation == "logical_not"
    value = tf.constant([True, False]) if logical else tf.constant([0.5, 1.5, 2.5], tf.float32)
    given = 0.5 if name.startswith("math.") else value
    function, expected = FLOAT64[FUNCTIONS[name].operation], np.asarray(given)
    np.testing.assert_allclose(np.asarray(named_function(name)(given)), function(expected), rtol=1e-5)


@pytest.mark.parametrize("name", NAMED)
def test_every_name_of_a_function_of_several_takes_its_arguments_in_this_order_and_by_these_names(name):
    known = FUNCTIONS[name]
    values = VALUES.get(known.operation, [2.0, 3.0])
    expected = FLOAT64[known.operation](*values)
    number = known.operation == "leaky_relu"  # whose slope is no tensor
    tensors = [value if number and place else tf.constant([value]) for place, value in enumerate(values)]
    answers = [named_function(name)(*tensors)]
    if all(known.parameters):
        answers.append(named_function(name)(**dict(zip(known.parameters, tensors, strict=True))))
    if known.defaults:
        expected_default = FLOAT64[known.operation](-2.0, *known.defaults)
        np.testing.assert_allclose(named_function(name)(tf.constant([-2.0])), [expected_default], rtol=1e-6)
    for answer in answers:
        np.testing.assert_allclose(np.asarray(answer), [expected], rtol=1e-6)


@pytest.mark.parametrize("body", ["x * tf.sigmoid(x)", "tf.where(x > 0, x, 0.1 * x ** 2)", "tf.exp(x)"])
@pytest.mark.parametrize("policy", ["float16", "mixed_float16"])
def test_a_16_bit_layer_is_compared_where_it_does_not_overflow(body, policy):
    figures = alone(formula(body), "onnx", policy)
    assert figures.passed, figures.worst
    assert figures.elements > 1000


@pytest.mark.parametrize("wrong", [lambda x: x * 1.001, lambda x: -x, lambda x: keras.ops.maximum(x, -0.5)])
def test_a_wrong_lowering_is_seen(monkeypatch, wrong):
    right = formula("tf.tanh(2 * x)")
    monkeypatch.setattr(
        "converter.building.formula_models._OPERATIONS", {"multiply": lambda a, b: a * b, "tanh": wrong}
    )
    assert not alone(right, "saved_model").passed


def test_a_steady_activation_is_tried_at_every_point():
    assert alone(PSS(1.0), "saved_model").elements == len(activation_inputs(1.0, "float32"))


WHOLE = {
    "rescaled_swish": lambda x: x / 255.0 * tf.sigmoid(x / 255.0),
    "chosen": lambda x: tf.where(x > 0, tf.math.log(x), 0.0),
    "clipped": lambda x: K.clip(x, -1, 1) ** 3,
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_model_answers_as_the_user_s_own(name, tmp_path):
    keras.utils.set_random_seed(len(name))
    model = keras.Sequential(
        [keras.Input((6,), name="x"), layers.Dense(8), layers.Lambda(WHOLE[name]), layers.Dense(3, name="y")]
    )
    samples = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32) * 3
    expected = np.asarray(model(samples))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of lambdas
        model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "samples.npz", x=samples)
    np.savez(tmp_path / "expected.npz", y=expected)
    options = Options(
        ("onnx", "tflite", "saved_model", "keras"),
        output=tmp_path,
        samples=tmp_path / "samples.npz",
        expected=tmp_path / "expected.npz",
    )
    conversion = convert(tmp_path / "model.keras", options, str.lower)
    for outcome in conversion.outcomes:
        assert outcome.error is None
        assert outcome.proof.recorded["y"].passed
        assert outcome.proof.recorded["y"].elements == expected.size
