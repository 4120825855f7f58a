"""Every way in which users write the activations: read from the file, they answer as the original does."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from converter.layers import PSS, SS, PolynomialSS, RationalSS, rational_ss, ss


class PSSLayer(layers.Layer):
    def __init__(self, alpha=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return ops.sigmoid(self.alpha * inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


class RationalSSLayer(layers.Layer):
    def __init__(self, a=1.0, b=1.0, **kwargs):
        super().__init__(**kwargs)
        self.a, self.b = a, b

    def call(self, inputs):
        return self.a * inputs / (1 + self.b * ops.abs(inputs))

    def get_config(self):
        return {**super().get_config(), "a": self.a, "b": self.b}


@keras.saving.register_keras_serializable("my_package", "PSSLayer")
class Registered(PSSLayer):
    pass


def learned_pss(shape, *, stores_start):
    """A class called PSSLayer that learns alpha, of this shape."""

    class Learned(layers.Layer):
        def build(self, input_shape):  # noqa: ARG002  as Keras calls it
            self.alpha = self.add_weight(name="alpha", shape=shape, initializer="ones")

        def call(self, inputs):
            return ops.sigmoid(self.alpha * inputs)

        def get_config(self):
            start = {"alpha": 1.0} if stores_start else {}
            return {**super().get_config(), **start}

    Learned.__name__ = "PSSLayer"
    return Learned()


def learned_rational(*, learns_a):
    class Learned(layers.Layer):
        def build(self, input_shape):
            if learns_a:
                self.a = self.add_weight(name="a", shape=(input_shape[-1],))
            self.b = self.add_weight(name="b", shape=())

        def call(self, inputs):
            return (self.a if learns_a else 1.5) * inputs / (1 + self.b * ops.abs(inputs))

        def get_config(self):
            return {**super().get_config(), **({} if learns_a else {"a": 1.5})}

    Learned.__name__ = "RationalSSLayer"
    return Learned()


def learned_with_options(name, shape, formula, **options):
    """A class of that name that learns as many parameters as its formula takes, and stores further options."""

    class Learned(layers.Layer):
        def build(self, input_shape):  # noqa: ARG002  as Keras calls it
            count = formula.__code__.co_argcount - 1
            self.parameters = [self.add_weight(name=f"p{i}", shape=shape) for i in range(count)]

        def call(self, inputs):
            return formula(inputs, *self.parameters)

        def get_config(self):
            return {**super().get_config(), **options}

    Learned.__name__ = name
    return Learned()


def pss_formula(x, alpha):
    return ops.sigmoid(alpha * x)


def rational_formula(x, a, b):
    return a * x / (1 + b * ops.abs(x))


def on_images(layer):
    return keras.Sequential([keras.Input((5, 5, 2)), layers.Conv2D(3, 2), layer, layers.Conv2D(2, 2)])


def smooth_sigmoid(x):
    return x / (1 + ops.abs(x))


def sequential(*middle, units=4):
    return keras.Sequential([keras.Input((6,)), layers.Dense(units, name="first"), *middle, layers.Dense(2)])


def in_dense(activation):
    return keras.Sequential([keras.Input((6,)), layers.Dense(4, activation=activation), layers.Dense(2)])


def image(**kwargs):
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, **kwargs),
            layers.SeparableConv2D(4, 2, **kwargs),
            layers.Conv2DTranspose(2, 2, **kwargs),
            layers.EinsumDense("abcd,de->abce", (None, None, 3), bias_axes="e", **kwargs),
        ]
    )


def steps(*middle):
    return keras.Sequential([keras.Input((5, 3)), *middle])


def with_users_names(make):
    """Keras copies a layer that it wraps by saving and loading it: that needs the user's names."""

    def made():
        with keras.saving.custom_object_scope({"smooth_sigmoid": smooth_sigmoid, "PSSLayer": PSSLayer}):
            return make()

    return made


def nested():
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="d"), PSSLayer(3.0, name="p")], name="inner"
    )
    outer = keras.Sequential([keras.Input((4,)), inner, RationalSSLayer(1.5, 0.8)], name="outer")
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    return keras.Model([x, y], [outer(x), inner(y), inner(x)])


FORMS = {
    "class": lambda: sequential(PSSLayer(3.0), RationalSSLayer(1.5, 0.8)),
    "class_int": lambda: sequential(PSSLayer(3)),
    "class_numpy": lambda: sequential(PSSLayer(np.float32(1.5))),
    "registered": lambda: sequential(Registered(1.25)),
    "learned_scalar": lambda: sequential(learned_pss((), stores_start=False)),
    "learned_one": lambda: sequential(learned_pss((1,), stores_start=True)),
    "learned_channels": lambda: sequential(learned_pss((4,), stores_start=True)),
    "learned_b": lambda: sequential(learned_rational(learns_a=False)),
    "learned_a_and_b": lambda: sequential(learned_rational(learns_a=True)),
    "learned_per_channel": lambda: sequential(
        learned_with_options("PSSLayer", (4,), pss_formula, alpha=1.0, per_channel=True, units=4)
    ),
    "learned_rational_per_channel": lambda: sequential(
        learned_with_options("RationalSS", (4,), rational_formula, a=1.0, b=1.0, per_channel=True)
    ),
    "learned_shared_axes": lambda: on_images(
        learned_with_options("PSSLayer", (1, 1, 3), pss_formula, shared_axes=[1, 2])
    ),
    "learned_rational_on_images": lambda: on_images(
        learned_with_options("RationalSSLayer", (1, 1, 1, 3), rational_formula, trainable_a=True)
    ),
    "own": lambda: sequential(PSS(3.0), SS(), RationalSS(2.0, 0.5), PolynomialSS([0.5, 0.2, 0, -0.01], 2.0)),
    "own_channels": lambda: sequential(PSS([1.0, 2.0, 3.0, 4.0]), RationalSS([1.0, 2.0, 3.0, 4.0], 1e-6)),
    "own_learned": lambda: sequential(
        PSS(trainable_alpha=True), RationalSS(3.0, trainable_b=True), RationalSS(trainable_a=True, axis=-1)
    ),
    "argument_object": lambda: in_dense(PSSLayer(3.0)),
    "argument_learned": lambda: in_dense(PSS(trainable_alpha=True)),
    "argument_function": lambda: in_dense(smooth_sigmoid),
    "argument_own": lambda: in_dense(rational_ss),
    "argument_lambda": lambda: in_dense(lambda x: 1.5 * x / (1 + 0.8 * tf.abs(x))),
    "lambda": lambda: sequential(layers.Lambda(lambda x: x / (tf.abs(x) + 1.0))),
    "lambda_sigmoid": lambda: sequential(layers.Lambda(lambda x: tf.nn.sigmoid(3.0 * x))),
    "lambda_naming": lambda: sequential(layers.Lambda(lambda x: smooth_sigmoid(x))),  # noqa: PLW0108  as users write it
    "lambda_function": lambda: sequential(layers.Lambda(smooth_sigmoid)),
    "activation_layer": lambda: sequential(
        layers.Activation(smooth_sigmoid), layers.Activation(PSSLayer(0.5))
    ),
    "images_function": lambda: image(activation=smooth_sigmoid),
    "images_object": lambda: image(activation=RationalSS(1.5, 0.8)),
    "lstm": lambda: steps(layers.LSTM(4, activation=PSSLayer(3.0), recurrent_activation=ss)),
    "gru_learned": lambda: steps(
        layers.GRU(4, activation=PSS(trainable_alpha=True), recurrent_activation="hard_sigmoid")
    ),
    "simple_rnn": lambda: steps(layers.SimpleRNN(4, activation=lambda x: x / (1 + tf.abs(x)))),
    "cells": lambda: steps(
        layers.RNN([layers.LSTMCell(4, activation=ss), layers.GRUCell(3), layers.LSTMCell(2)])
    ),
    "bidirectional": with_users_names(
        lambda: steps(layers.Bidirectional(layers.LSTM(4, activation=smooth_sigmoid, return_sequences=True)))
    ),
    "time_distributed": lambda: steps(
        layers.TimeDistributed(layers.Dense(4, activation=PSSLayer(2.5))),
        layers.TimeDistributed(PSSLayer(3.0)),
    ),
    "nested_shared": nested,
    "pole_far_away": lambda: sequential(RationalSSLayer(1.0, 1e-30), RationalSSLayer(2.0, 0.0)),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("form", FORMS)
def test_the_reference_and_the_lowered_model_answer_as_the_original(saved, holds, form, suffix):
    case = saved(form, FORMS[form], suffix)
    assert case.description.findings
    holds(case)


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64"])
def test_a_policy_is_kept(saved, holds, policy):
    def make():
        dtype = {"dtype": policy}
        return keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(4, **dtype),
                PSSLayer(3.0, **dtype),
                RationalSSLayer(1.5, 0.8, **dtype),
                PolynomialSS([0.5, 0.2, -0.01], 2.0, **dtype),
                layers.Dense(2, activation=smooth_sigmoid, **dtype),
            ]
        )

    case = saved(f"policy_{policy}", make, ".keras")
    assert {layer.policy for layer in case.graph.layers.values()} == {policy, "float32"}
    holds(case)


def test_an_axis_counted_from_the_front_is_known_to_be_the_last(saved, holds):
    case = saved("axis_1", lambda: sequential(PSS(trainable_alpha=True, axis=1)), ".keras")
    assert len(case.description.findings[0].activation.alpha) == 4
    holds(case)
