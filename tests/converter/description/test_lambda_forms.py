"""Lambdas with numbers of their own, and lambdas that are no named activation, in files that Keras wrote."""

# ruff: noqa: PLW0108  lambdas are what is tested

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from converter.activations import PSS, SS, Formula, RationalSS
from converter.basis import Basis
from converter.building.model_builder import build
from converter.description.activation_reader import from_lambda
from converter.errors import UnsupportedError
from converter.folding import fold
from converter.layers import pss, rational_ss
from converter.lowering.lower import lower

K = tf.keras.backend


def sequential(*middle):
    return keras.Sequential([keras.Input((6,)), layers.Dense(4, name="first"), *middle, layers.Dense(2)])


def in_dense(activation):
    return keras.Sequential([keras.Input((6,)), layers.Dense(4, activation=activation), layers.Dense(2)])


def steps(*middle):
    return keras.Sequential([keras.Input((5, 3)), *middle])


def scaled_sigmoid(alpha):
    return lambda x: tf.sigmoid(alpha * x)


def rational(a, b):
    return lambda x: a * x / (1 + b * tf.abs(x))


def leaky(slope):
    return lambda x: tf.where(x > 0, x, slope * x)


def of_layer(function, **arguments):
    return lambda: sequential(layers.Lambda(function, arguments=arguments))


# The form, and the activation that is found in it; None for a formula.
NUMBERS = {
    "closure": (of_layer(scaled_sigmoid(3.0)), PSS(3.0)),
    "closure_integer": (of_layer(scaled_sigmoid(3)), PSS(3.0)),
    "closure_numpy": (of_layer(scaled_sigmoid(np.float32(0.25))), PSS(0.25)),
    "closure_of_two": (of_layer(rational(1.5, 0.8)), RationalSS(1.5, 0.8)),
    "closure_as_argument": (lambda: in_dense(rational(2, 0.5)), RationalSS(2, 0.5)),
    "closure_of_a_formula": (of_layer(leaky(0.1)), None),
    "closure_zero": (of_layer(scaled_sigmoid(0.0)), None),
    "defaults": (of_layer(lambda x, alpha=3.0: tf.sigmoid(alpha * x)), PSS(3.0)),
    "defaults_of_two": (of_layer(lambda x, a=1.5, b=2: a * x / (1 + b * tf.abs(x))), RationalSS(1.5, 2.0)),
    "defaults_as_argument": (lambda: in_dense(lambda x, k=2: ops.tanh(k * x)), None),
    "arguments": (of_layer(lambda x, k: x / (1 + k * tf.abs(x)), k=2.0), RationalSS(1.0, 2.0)),
    "arguments_over_defaults": (of_layer(lambda x, k=9.0: tf.sigmoid(k * x), k=0.5), PSS(0.5)),
    "arguments_by_keyword_only": (of_layer(lambda x, *, k: tf.sigmoid(x * k), k=2), PSS(2.0)),
    "arguments_of_own": (of_layer(pss, alpha=3.0), PSS(3.0)),
    "arguments_of_own_two": (of_layer(rational_ss, a=1.5, b=0.8), RationalSS(1.5, 0.8)),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("form", NUMBERS)
def test_numbers_that_the_file_stores_beside_a_lambda_are_read(saved, holds, form, suffix):
    make, expected = NUMBERS[form]
    case = saved(f"numbers_{form}", make, suffix)
    (finding,) = case.description.findings
    assert finding.activation == expected or (expected is None and isinstance(finding.activation, Formula))
    assert finding.basis is Basis.READ
    holds(case)


def test_a_tensor_without_axes_in_a_closure_is_a_number(saved, holds):
    case = saved("closure_tensor", of_layer(scaled_sigmoid(tf.constant(3.0))), ".keras")
    assert case.description.findings[0].activation == PSS(3.0)
    holds(case)


def calling(function):
    return lambda x: function(x)


REFUSED = {
    "a_list": (of_layer(scaled_sigmoid([1.0, 2.0, 3.0, 4.0])), "closes over 'alpha', which is a list"),
    "an_array": (of_layer(scaled_sigmoid(np.ones(4, np.float32))), "closes over 'alpha', which is a list"),
    "a_function": (of_layer(calling(tf.tanh)), "closes over 'function', which is the (function|text) 'tanh'"),
    "a_lambda": (of_layer(calling(scaled_sigmoid(2.0))), "closes over 'function', which is "),
    "nan": (of_layer(scaled_sigmoid(float("nan"))), "closes over 'alpha', which is the constant nan"),
    "truth": (of_layer(lambda x, k=True: x * k if k else x), "default 'k' is the constant True"),
    "an_array_passed": (of_layer(lambda x, k: x * k, k=np.ones(4)), "argument 'k' is a list"),
    "training": (of_layer(lambda x, training=0: x * training), "it takes 'training'"),
    "a_mean": (of_layer(lambda x: x - tf.reduce_mean(x)), "'tf.reduce_mean' is not known to work on each"),
    "an_unknown_name": (of_layer(lambda x: calling(x)), "'calling' is not known"),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("form", REFUSED)
def test_anything_else_beside_a_lambda_is_refused_with_its_name(saved, form, suffix):
    make, reason = REFUSED[form]
    with pytest.raises(UnsupportedError, match=reason) as refusal:
        saved(f"refused_{form}", make, suffix)
    assert refusal.value.where.startswith("layer 'lambda")


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [(pss, {"alpha": 1.0, "beta": 2.0}, "'beta'"), (rational_ss, {"a": 1.0, "x": 1.0}, "'x'")],
)
def test_an_argument_that_a_named_function_does_not_take_is_refused(function, arguments, name):
    stored = {"class_name": "function", "config": f"plainserve>{function.__name__}"}
    with pytest.raises(UnsupportedError, match=name):
        from_lambda({"function": stored, "arguments": arguments}, "layer 'lambda'")


FORMULAS = {
    "rescaled": lambda x: x / 255.0,
    "centred": lambda x: (x - 127.5) / 127.5,
    "swish": lambda x: x * tf.sigmoid(x),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "clip_tf": lambda x: tf.clip_by_value(x, 0, 6),
    "clip_keras": lambda x: K.clip(x, 0, max_value=6) / 6,
    "clip_ops": lambda x: ops.clip(x, x_min=-0.5, x_max=1.5),
    "where_tf": lambda x: tf.where(x > 0, x, 0.1 * x),
    "where_of_two": lambda x: tf.where(tf.logical_and(x > -1, tf.less(x, 1)), x, tf.sign(x)),
    "step": lambda x: tf.where(x > 0, 1.0, 0.0),
    "maximum": lambda x: tf.maximum(x, 0.1 * x),
    "tanh": lambda x: 1.7159 * tf.tanh(2 / 3 * x),
    "relu": lambda x: tf.nn.relu(x),
    "exp": lambda x: tf.exp(-x * x),
    "log": lambda x: tf.math.log(1 + tf.abs(x)) * tf.sign(x),
    "sqrt": lambda x: tf.sqrt(tf.square(x) + 1) - 1,
    "softplus": lambda x: tf.nn.softplus(x),
    "mish": lambda x: x * tf.tanh(tf.nn.softplus(x)),
    "erf": lambda x: 0.5 * x * (1 + tf.math.erf(x / np.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + tf.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * tf.pow(x, 3)))),
    "gelu_keras": lambda x: keras.activations.gelu(x),
    "gelu_ops": lambda x: ops.gelu(x) + 0.0,
    "sine": lambda x: tf.sin(3 * x) + tf.cos(x * math.pi),
    "round": lambda x: tf.round(x * 4) / 4,
    "negative": lambda x: -x,
    "identity": lambda x: x,
    "leaky": lambda x: tf.nn.leaky_relu(x, alpha=0.3),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_is_computed_as_it_was_read(saved, holds, name):
    case = saved(f"formula_{name}", of_layer(FORMULAS[name]), ".keras")
    (finding,) = case.description.findings
    assert (finding.activation.key, finding.why) == ("formula", "formula read from the lambda")
    holds(case)


# Keras cannot trace these: it must be told the shape.
OF_NUMPY = {
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "where": lambda x: np.where(x > 0, x, 0.2 * (np.exp(x) - 1)),
    "maximum": lambda x: np.maximum(np.tanh(x), 0.1),
}


@pytest.mark.parametrize("name", OF_NUMPY)
def test_a_formula_of_numpy_s_functions_is_computed_as_it_was_read(saved, holds, name):
    holds(
        saved(
            f"formula_numpy_{name}",
            lambda: sequential(layers.Lambda(OF_NUMPY[name], output_shape=(4,))),
            ".keras",
        )
    )


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64"])
def test_a_formula_computes_in_the_type_of_its_layer(saved, holds, policy):
    def make():
        dtype = {"dtype": policy}
        return keras.Sequential(
            [keras.Input((6,)), layers.Dense(4, **dtype), layers.Lambda(leaky(0.1), **dtype)]
        )

    holds(saved(f"formula_{policy}", make, ".keras"))


def test_a_16_bit_formula_overflows_where_the_lambda_does(saved, answers):
    def make():
        x = keras.Input((1,), dtype="float16")
        return keras.Model(x, layers.Lambda(lambda x: x**2 / (1 + x**2), dtype="float16")(x))

    case = saved("formula_overflows", make, ".keras")
    inputs = [np.array([[1.0], [300.0]], np.float16)]
    for graph in (case.graph, lower(case.graph).graph):
        (answer,) = answers(graph, inputs)
        np.testing.assert_array_equal(answer, case.original(inputs)[0])
        assert np.isnan(answer[1, 0])


def test_an_answer_of_another_type_than_the_layer_s_is_refused(saved):
    def make():
        x = keras.Input((1,), dtype="float16")
        return keras.Model(x, layers.Lambda(lambda x: tf.where(x > 0, 1.0, 0.0), dtype="float16")(x))

    graph = saved("formula_type", make, ".keras").graph
    for changed in (graph, lower(graph).graph):
        with pytest.raises(UnsupportedError, match="answers in float32 where its layer computes in float16"):
            build(changed)


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_integers_are_refused(saved, dtype):
    def make():
        x = keras.Input((3,), dtype=dtype)
        return keras.Model(x, layers.Lambda(lambda x: tf.maximum(x, 1))(x))

    graph = saved(f"formula_{dtype}", make, ".keras").graph
    for changed in (graph, lower(graph).graph):
        with pytest.raises(UnsupportedError, match=f"the lambda gets {dtype} numbers"):
            build(changed)


CELLS = {
    "lstm": lambda: steps(layers.LSTM(4, activation=lambda x: x * tf.sigmoid(x))),
    "lstm_gate": lambda: steps(
        layers.LSTM(
            4, activation=leaky(0.1), recurrent_activation=lambda x: tf.clip_by_value(0.2 * x + 0.5, 0, 1)
        )
    ),
    "gru": lambda: steps(layers.GRU(4, activation=lambda x: 1.5 * tf.tanh(x), return_sequences=True)),
    "simple_rnn": lambda: steps(layers.SimpleRNN(4, activation=lambda x, k=0.3: tf.sin(x) + k)),
    "named": lambda: steps(layers.SimpleRNN(4, activation=lambda x: tf.nn.relu(x))),
    "cells": lambda: steps(
        layers.RNN([layers.LSTMCell(4, activation=leaky(0.2)), layers.GRUCell(3)], return_sequences=True)
    ),
    "convolutional": lambda: keras.Sequential(
        [keras.Input((3, 6, 2)), layers.ConvLSTM1D(2, 3, activation=leaky(0.2))]
    ),
    "time_distributed": lambda: steps(layers.TimeDistributed(layers.Dense(4, activation=leaky(0.1)))),
}


@pytest.mark.parametrize("form", CELLS)
def test_a_formula_in_a_cell_or_a_wrapper_is_made_of_operations_of_keras(saved, holds, form):
    case = saved(f"cell_{form}", CELLS[form], ".keras")
    assert isinstance(case.description.findings[0].activation, Formula)
    holds(case)
    lowered = lower(case.graph).graph
    assert not any(part.activations for layer in lowered.layers.values() for part in layer.with_parts())


def test_a_mask_ends_at_a_lambda_that_is_a_formula(saved, holds):
    def make():
        return keras.Sequential(
            [
                keras.Input((6,), dtype="int32"),
                layers.Embedding(6, 4, mask_zero=True),
                layers.Lambda(leaky(0.1)),
                layers.LSTM(3),
            ]
        )

    holds(saved("formula_mask", make, ".keras"))


def test_no_scale_crosses_a_formula(saved, answers):
    def make():
        return sequential(
            layers.Lambda(rational(2.0, 0.5)),
            layers.Lambda(lambda x: x / 255.0),
            layers.Lambda(lambda x: x * tf.sigmoid(x)),
            layers.Lambda(scaled_sigmoid(3.0)),
        )

    case = saved("formula_fold", make, ".keras")
    graph, rewrites = fold(lower(case.graph))
    kinds = [graph.layers[call.layer].kind for call in graph.calls]
    assert kinds == [
        "Dense", "Activation", "Rescaling", "Formula", "Formula", "Rescaling", "Activation", "Dense",
    ]  # fmt: skip
    assert any("no scale crosses 'lambda" in rewrite.what for rewrite in rewrites if not rewrite.done)
    inputs = case.inputs()
    np.testing.assert_allclose(answers(graph, inputs)[0], case.original(inputs)[0], rtol=1e-5, atol=1e-6)


def test_a_named_activation_stays_what_it_was(saved):
    case = saved("formula_named", of_layer(lambda x: x / (tf.abs(x) + 1.0)), ".keras")
    assert case.description.findings[0].activation == SS()
