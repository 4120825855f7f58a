"""Saves small models with Keras 2, and what they answer, into the folder ``keras_2``.

Not a test: run it once with a Python that has ``tf_keras``, as

    python tests/converter/description/record_keras_2.py

Each model becomes ``<name>.h5``, ``<name>.keras`` and ``<name>.npz`` with inputs ``x0`` and answers ``y0``, ...
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

layers = keras.layers
FOLDER = Path(__file__).parent / "keras_2"


class PSSLayer(layers.Layer):
    def __init__(self, alpha=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return tf.keras.activations.sigmoid(self.alpha * inputs)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


class RationalSSLayer(layers.Layer):
    def __init__(self, a=1.0, b=1.0, **kwargs):
        super().__init__(**kwargs)
        self.a, self.b = a, b

    def call(self, inputs):
        return self.a * inputs / (1 + self.b * tf.abs(inputs))

    def get_config(self):
        return {**super().get_config(), "a": self.a, "b": self.b}


def learned():
    class Learned(layers.Layer):
        def build(self, shape):
            self.alpha = self.add_weight(name="alpha", shape=(shape[-1],))

        def call(self, inputs):
            return tf.sigmoid(self.alpha * inputs)

    Learned.__name__ = "PSSLayer"
    return Learned()


@keras.saving.register_keras_serializable("my_package", "PSSLayer")
class Registered(PSSLayer):
    pass


def smooth_sigmoid(x):
    return x / (1 + tf.abs(x))


def on(shape, function, dtype="float32"):
    x = keras.Input(shape, dtype=dtype)
    return keras.Model(x, function(x))


def chain(*steps):
    def apply(x):
        for step in steps:
            x = step(x)
        return x

    return apply


def from_the_text():
    return keras.Sequential(
        [
            layers.Dense(6, input_shape=(4,)),
            PSSLayer(3.0),
            RationalSSLayer(1.5, 0.8),
            layers.Dense(2, activation="softmax"),
        ]
    )


def lambdas():
    return keras.Sequential(
        [
            layers.Dense(4, input_shape=(4,)),
            layers.Lambda(lambda x: x / (1 + tf.abs(x))),
            layers.Lambda(smooth_sigmoid),
            layers.Dense(4, activation=lambda x: tf.nn.sigmoid(3.0 * x)),
            layers.Dense(4, activation=smooth_sigmoid),
        ]
    )


def hard_functions(x):
    y = layers.Dense(4, activation="hard_sigmoid")(x)
    return layers.LeakyReLU(alpha=0.2)(layers.ReLU(max_value=6.0, negative_slope=0.1)(y - 0.5))


def convolutions():
    return chain(
        layers.Conv2D(3, 3, groups=1),
        layers.BatchNormalization(),
        PSSLayer(2.5),
        layers.DepthwiseConv2D(2, depth_multiplier=2),
        layers.SeparableConv2D(3, 2, activation=smooth_sigmoid),
        layers.Conv2DTranspose(2, 2, strides=2),
        layers.MaxPooling2D(),
        layers.GlobalAveragePooling2D(),
    )


def masked(middle):
    return chain(
        layers.Embedding(7, 4, mask_zero=True, input_length=6),
        middle,
        layers.Bidirectional(layers.LSTM(3, return_sequences=True, recurrent_activation="hard_sigmoid")),
        layers.GRU(3, activation=smooth_sigmoid, implementation=1),
    )


def nested():
    inner = keras.Sequential([layers.Dense(4, input_shape=(4,)), PSSLayer(2.5)], name="inner")
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    x_in = keras.Input((4,))
    functional = keras.Model(x_in, layers.Dense(4, name="last")(inner(x_in)), name="functional")
    other = keras.Sequential([layers.Dense(4, input_shape=(4,)), PSSLayer(0.5)], name="other")
    a, b = functional(x), other(y)
    return keras.Model([x, y], {"sum": layers.Add()([a, b]), "product": a * b + 1.0, "both": functional(b)})


def attention(x):
    y = layers.MultiHeadAttention(2, 3)(x, x)
    y = layers.LayerNormalization()(y + x)
    y = layers.TimeDistributed(layers.Dense(3, activation=RationalSSLayer(2.0, 0.5)))(y)
    return layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])(y)


def states(x):
    sequence, h, c = layers.LSTM(3, return_sequences=True, return_state=True)(x)
    return layers.LSTM(3)(sequence, initial_state=[c, h])


MODELS = {
    "from_the_text": from_the_text,
    "lambdas": lambdas,
    "registered_and_learned": lambda: on((4,), chain(layers.Dense(3), Registered(1.5), learned())),
    "hard_functions": lambda: on((4,), hard_functions),
    "convolutions": lambda: on((9, 9, 2), convolutions()),
    "mask_ends": lambda: on((6,), masked(PSSLayer(3.0)), "int32"),
    "mask_goes_on": lambda: on((6,), masked(layers.Dense(4, activation=PSSLayer(3.0))), "int32"),
    "nested": nested,
    "attention": lambda: on((5, 4), attention),
    "states": lambda: on((5, 4), states),
    "names/with/slashes": lambda: on(
        (4,), chain(layers.Dense(3, name="block/dense"), PSSLayer(2.0, name="block/pss"))
    ),
    "scaled": lambda: on(
        (4,), chain(layers.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=4.0), layers.Rescaling(0.5, 1.0))
    ),
}


def record(name, make):
    keras.backend.clear_session()
    model, rng = make(), np.random.default_rng(len(name))
    model.set_weights(
        [rng.uniform(0.1, 0.9, w.shape) * rng.choice([-1, 1]) ** w.ndim for w in model.get_weights()]
    )
    inputs = [
        rng.integers(0, 3, [3, *t.shape[1:]]).astype("int32")
        if t.dtype == tf.int32
        else rng.normal(size=[3, *t.shape[1:]]).astype("float32")
        for t in model.inputs
    ]
    answers = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    listed = [answers[key] for key in sorted(answers)] if isinstance(answers, dict) else [answers]
    stem = name.replace("/", "_")
    model.save(FOLDER / f"{stem}.h5")
    model.save(FOLDER / f"{stem}.keras")
    arrays = {f"x{i}": array for i, array in enumerate(inputs)} | {
        f"y{i}": a.numpy() for i, a in enumerate(listed)
    }
    np.savez(FOLDER / f"{stem}.npz", **arrays)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for model_name, maker in MODELS.items():
        record(model_name, maker)
