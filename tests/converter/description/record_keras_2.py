"""Saves small models with Keras 2, and what they answer, into the folder ``keras_2``.

Not a test: run it once with a Python that has ``tf_keras``, as

    python tests/converter/description/record_keras_2.py [NAME ...]

Each model becomes ``<name>.h5``, ``<name>.keras`` and ``<name>.npz`` with inputs ``x0`` and answers ``y00``, ...
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras
from google.protobuf import json_format

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


def outputs(shape, *functions, dtype="float32"):
    """A model with one output for each function of its input."""
    x = keras.Input(shape, dtype=dtype, name="x")
    return keras.Model(x, [function(x) for function in functions])


def elementwise():
    row = np.array([1.0, -2.0, 0.5], "float32")
    return outputs(
        (4, 3),
        lambda x: 1 - x,
        lambda x: [1.0, 2.0, 3.0] + x,  # noqa: RUF005  it adds
        lambda x: row * x,
        lambda x: tf.multiply([1.0, -2.0, 0.5], x),
        lambda x: (x - row) / 0.5,
        lambda x: 2.0 / (tf.abs(x) + 0.5),
        lambda x: x**2 + 2.0 ** (-x),
        lambda x: tf.pow(tf.abs(x) + 0.1, 1.5),
        lambda x: tf.math.log(tf.abs(x) + 0.1),
        lambda x: tf.math.rsqrt(tf.abs(x) + 0.1) + tf.sqrt(tf.abs(x)),
        lambda x: tf.exp(x) + tf.square(x),
        lambda x: tf.sin(x) * tf.cos(x),
        lambda x: tf.floor(x) + tf.math.ceil(x * 1.7) + tf.round(x * 2.3) + tf.sign(x),
        lambda x: tf.clip_by_value(x, -0.5, 0.7),
        lambda x: tf.clip_by_value(x, clip_value_min=row, clip_value_max=[1.0, 1.0, 1.0]),
        lambda x: tf.maximum(x, [0.0, 0.1, 0.2]) - tf.minimum(0.5, x),
        lambda x: tf.where(x > 0.0, x, 0.25 * x),
        lambda x: tf.where((x >= 0.2) & ~(x > 1.0), 1.0, -1.0),
        lambda x: tf.cast((x < -0.3) | (x <= -1.0), "float32"),
        lambda x: tf.cast(x * 3.0, tf.int32),
        lambda x: tf.math.squared_difference(x, 1.0) + tf.add_n([x, x * 2.0, x]),
        lambda x: tf.nn.relu(x) + tf.nn.relu6(x * 5.0),
        tf.nn.leaky_relu,
        lambda x: tf.nn.leaky_relu(x, alpha=0.05),
        lambda x: tf.nn.elu(x) + tf.nn.selu(x),
        lambda x: tf.nn.swish(x) + tf.nn.silu(x, beta=1.5),
        lambda x: tf.sigmoid(x) * tf.tanh(x),
        tf.nn.softsign,
        lambda x: tf.nn.bias_add(x, row),
        lambda x: tf.nn.bias_add(x, [1.0, 2.0, 3.0, 4.0], data_format="NCHW"),
        lambda x: tf.zeros_like(x) + tf.ones_like(x, dtype="float32"),
        lambda x: tf.stop_gradient(tf.identity(x)) + tf.convert_to_tensor(x),
        lambda x: keras.backend.hard_sigmoid(x) + keras.backend.relu(x, alpha=0.1, max_value=6.0),
    )


def rarer():
    """What TFLite has no operators for."""
    return outputs(
        (4, 3),
        lambda x: tf.asin(tf.tanh(x)) + tf.acos(tf.tanh(x)) + tf.atan(x),
        lambda x: tf.sinh(x) + tf.cosh(x) + tf.asinh(x),
        lambda x: tf.acosh(tf.abs(x) + 1.0) + tf.atanh(0.5 * tf.tanh(x)),
        lambda x: tf.tan(tf.tanh(x)) + tf.math.erf(x),
        lambda x: tf.atan2(x, 1.5),
        lambda x: tf.math.reciprocal(tf.abs(x) + 0.2),
        lambda x: x // 0.3,
        lambda x: x % 0.7,
        lambda x: tf.math.divide_no_nan(x, [1.0, 0.0, 2.0]),
        lambda x: tf.math.softplus(x) + tf.math.log_sigmoid(x),
        tf.nn.gelu,
        lambda x: tf.nn.gelu(x, approximate=True),
        tf.nn.crelu,
        lambda x: tf.cast(tf.math.is_finite(x), "float32"),
        lambda x: tf.cast(tf.reverse(x, [1]), tf.float16),
        lambda x: tf.roll(x, 1, 1),
    )


def rarest():
    """What ONNX has no operators for either."""
    return outputs((4, 3), tf.math.expm1, lambda x: tf.math.log1p(tf.abs(x)))


def reductions():
    return outputs(
        (4, 3),
        lambda x: tf.reduce_mean(x, axis=1),
        lambda x: tf.reduce_mean(x, axis=[1, 2], keepdims=True),
        lambda x: tf.reduce_sum(x, -1) + tf.reduce_max(x, axis=2) - tf.reduce_min(x, axis=2),
        lambda x: tf.reduce_prod(x, axis=1, keepdims=True),
        lambda x: tf.math.reduce_std(x, axis=1) + tf.math.reduce_variance(x, axis=1),
        lambda x: tf.reduce_logsumexp(x, axis=-1),
        lambda x: tf.cast(tf.reduce_any(x > 0.9, axis=1), "float32"),
        lambda x: tf.cast(tf.reduce_all(x > -0.9, axis=-1, keepdims=True), "float32"),
        lambda x: tf.math.reduce_euclidean_norm(x, axis=1),
        lambda x: tf.norm(x, axis=-1, keepdims=True),
        lambda x: tf.math.l2_normalize(x, axis=-1),
        lambda x: tf.argmax(x, axis=-1),
        lambda x: tf.argmin(x, axis=1, output_type=tf.int32),
        lambda x: tf.argmax(tf.minimum(x, 0.0) * -0.0, axis=1),
        lambda x: tf.argmin(tf.nn.relu(x), axis=2),
        lambda x: tf.nn.softmax(x) + tf.nn.softmax(x, axis=1),
        lambda x: tf.nn.log_softmax(x, axis=1),
        lambda x: tf.cumsum(x, axis=1) + tf.cumsum(x, axis=1, reverse=True),
        lambda x: keras.backend.mean(x, axis=1, keepdims=True),
    )


def over_the_batch():
    """Axes that TensorFlow takes where nothing is said."""
    return outputs(
        (4, 3),
        tf.argmax,
        tf.cumsum,
        tf.reduce_sum,
        tf.transpose,
        lambda x: tf.gather(x, [0, 2, 1]),
        lambda x: tf.stack([x, x * 2.0]),
    )


def arrays():
    return outputs(
        (4, 3),
        lambda x: tf.concat([x, 2.0 * x], -1),
        lambda x: tf.concat(values=[x, x, x], axis=1),
        lambda x: tf.stack([x, -x], axis=1),
        lambda x: tf.unstack(x, axis=1)[2] + 1.0,
        lambda x: tf.split(x, 2, axis=1)[1] * 2.0,
        lambda x: tf.split(x, [1, 3], axis=1)[1] * 2.0,
        lambda x: tf.split(x, [1, -1], axis=2)[1] * 2.0,
        lambda x: tf.transpose(x, [0, 2, 1]),
        lambda x: tf.squeeze(tf.expand_dims(x, 1), axis=1) + tf.squeeze(tf.expand_dims(x, -1), axis=[-1]),
        lambda x: tf.reshape(x, [-1, 12]),
        lambda x: tf.reshape(x, [tf.shape(x)[0], 2, 6]),
        lambda x: tf.tile(x, [1, 2, 1]),
        lambda x: tf.gather(x, [2, 0], axis=1),
        lambda x: tf.gather(x, tf.argmax(x, axis=1)[0], axis=1),
        lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 0]]),
        lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 0]], constant_values=2.0),
        lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 2]], mode="REFLECT"),
        lambda x: tf.pad(x, tf.constant([[0, 0], [1, 1], [0, 0]]), "SYMMETRIC"),
        lambda x: tf.one_hot(tf.argmax(x, axis=-1), 3),
        lambda x: tf.one_hot(tf.argmax(x, axis=-1), 3, axis=1),
        lambda x: tf.repeat(x, 2, axis=1),
        lambda x: tf.matmul(x, x, transpose_b=True) @ np.ones((4, 2), "float32"),
        lambda x: tf.matmul(x, [[1.0, 2.0, 3.0, 4.0]], transpose_a=True, transpose_b=True),
        lambda x: tf.tensordot(x, np.full((3, 2), 0.5, "float32"), 1),
        lambda x: np.ones((2, 4), "float32") @ x,
    )


def slices():
    return outputs(
        (4, 6),
        lambda x: x[:, 1],
        lambda x: x[:, -1, ::2],
        lambda x: x[:, 1:3, -2:],
        lambda x: x[:, tf.newaxis, :, 4],
        lambda x: x[:, ::-1],
        lambda x: tf.slice(x, [0, 1, 0], [-1, 2, -1]),
        lambda x: tf.strided_slice(x, [0, 1, 5], [99, 3, 0], [1, 1, -2], begin_mask=1, end_mask=1),
        lambda x: tf.strided_slice(x, [0, 2], [0, 3], begin_mask=1, end_mask=1, shrink_axis_mask=2),
    )


def ellipsis():
    return outputs((4, 6), lambda x: x[..., 0], lambda x: x[:, 1, ..., 2:4], lambda x: x[..., tf.newaxis])


def whole_numbers():
    return outputs(
        (5,),
        lambda x: tf.cast(x, "float32") / 255.0,
        lambda x: x * 2 + 1,
        lambda x: tf.maximum(x - [1, 2, 3, 0, 0], 0),
        lambda x: tf.one_hot(x, 4),
        lambda x: tf.reduce_sum(x, axis=1),
        dtype="int32",
    )


def op_layer(op, taken, constants=(), **attributes):
    """What TensorFlow 2.0 to 2.3 put into a model for an operation of its graph."""
    constants = {
        i: np.array(c, None if isinstance(c, np.ndarray | np.float32) else "int32") for i, c in constants
    }
    node = tf.compat.v1.NodeDef(name=op.lower(), op=op, input=["x"] * (len(taken) + len(constants)))
    for key, value in attributes.items():
        node.attr[key].CopyFrom(value)
    wrapper = keras.src.engine.base_layer.TensorFlowOpLayer
    node = json_format.MessageToDict(node)
    return wrapper(node, node["name"], constants)(taken)


def graph_operations():
    value = tf.compat.v1.AttrValue
    number, index = value(type=tf.float32.as_datatype_enum), value(type=tf.int32.as_datatype_enum)
    x = keras.Input((4, 3), name="x")
    y = op_layer("Mul", [x], [(1, np.float32(2.0))], T=number)
    z = op_layer("AddV2", [x, y], T=number)
    kept = op_layer("Mean", [x], [(1, [1])], T=number, Tidx=index, keep_dims=value(b=True))
    part = op_layer(
        "StridedSlice",
        [x],
        [(1, [0, 1]), (2, [0, 3]), (3, [1, 1])],
        T=number,
        Index=index,
        begin_mask=value(i=1),
        end_mask=value(i=1),
    )
    back = op_layer("Sub", [z], [(0, np.array([1.0, 2.0, 3.0], "float32"))], T=number)
    joined = op_layer("ConcatV2", [x, z], [(2, 2)], T=number, Tidx=index, N=value(i=2))
    sloped = op_layer("LeakyRelu", [x], T=number, alpha=value(f=0.1))
    whole = op_layer("Cast", [z], SrcT=number, DstT=index, Truncate=value(b=False))
    return keras.Model(x, [y, z, kept, part, back, joined, sloped, whole])


def masks_and_operations(x):
    """An operation ends a mask, whether it computes something or only takes a part."""
    y = layers.Embedding(7, 4, mask_zero=True)(x)
    sequence = layers.LSTM(3, return_sequences=True)(y)
    return [
        layers.LSTM(3)(y * 2.0),
        layers.LSTM(3)(y[:, 1:]),
        layers.LSTM(3)(tf.concat([y, sequence], -1)),
        layers.LSTM(3)(y),
    ]


def merged_masks(x):
    y, z = layers.Embedding(7, 4, mask_zero=True)(x), layers.Embedding(7, 4)(x)
    w = layers.Embedding(7, 4, mask_zero=True)(x[:, ::-1])
    return [
        layers.LSTM(3)(merged)
        for merge in (layers.Add(), layers.Multiply(), layers.Maximum(), layers.Concatenate())
        for merged in (merge([y, z]), merge([y, w]), merge([y, y * 2.0]))
    ]


def passed_masks(x):
    y = layers.Embedding(7, 4, mask_zero=True)(x)
    return [
        layers.LSTM(3)(layer(y))
        for layer in (
            layers.Identity(),
            layers.Rescaling(2.0),
            layers.Normalization(mean=0.5, variance=2.0),
            layers.TimeDistributed(layers.Dense(4)),
            layers.Dropout(0.5),
            layers.BatchNormalization(),
            layers.Dense(4),
            layers.Conv1D(4, 1),
            layers.ReLU(),
            layers.Activation("tanh"),
            layers.Reshape((6, 4)),
        )
    ] + [layers.LSTM(3)(layers.MultiHeadAttention(1, 2)(y, y)), layers.LSTM(3)(layers.Attention()([y, y]))]


@keras.saving.register_keras_serializable("my_package")
class MyMetric(keras.metrics.MeanSquaredError):
    pass


@keras.saving.register_keras_serializable("my_package")
class MyLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)


@keras.saving.register_keras_serializable("my_package")
class MyOptimizer(keras.optimizers.Adam):
    pass


def my_metric(y_true, y_pred):
    return tf.reduce_max(tf.abs(y_true - y_pred))


def trained():
    """The state of training is in the file: of a loss, of metrics and of an optimizer that are the user's own."""
    model = on((4,), chain(layers.Dense(5), PSSLayer(3.0), layers.Dense(2)))
    model.compile(MyOptimizer(), MyLoss(), metrics=["mae", my_metric, MyMetric()])
    model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    return model


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
    "operations_elementwise": elementwise,
    "operations_rarer": rarer,
    "operations_rarest": rarest,
    "operations_reductions": reductions,
    "operations_over_the_batch": over_the_batch,
    "operations_arrays": arrays,
    "operations_slices": slices,
    "operations_ellipsis": ellipsis,
    "operations_whole_numbers": whole_numbers,
    "operations_graph": graph_operations,
    "operations_masks": lambda: on((6,), masks_and_operations, "int32"),
    "merged_masks": lambda: on((6,), merged_masks, "int32"),
    "trained": trained,
    "passed_masks": lambda: on((6,), passed_masks, "int32"),
    "names/with/slashes": lambda: on(
        (4,), chain(layers.Dense(3, name="block/dense"), PSSLayer(2.0, name="block/pss"))
    ),
    "scaled": lambda: on(
        (4,), chain(layers.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=4.0), layers.Rescaling(0.5, 1.0))
    ),
}

# Keras 2 cannot write an ellipsis into .keras, and graph operations are older than it; of the others the .keras
# file would be large and say the same.
H5_ALONE = {
    "operations_arrays",
    "operations_elementwise",
    "operations_ellipsis",
    "operations_graph",
    "operations_rarer",
    "operations_rarest",
    "operations_reductions",
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
    listed = (
        [answers[key] for key in sorted(answers)] if isinstance(answers, dict) else tf.nest.flatten(answers)
    )
    stem = name.replace("/", "_")
    model.save(FOLDER / f"{stem}.h5")
    if name not in H5_ALONE:
        model.save(FOLDER / f"{stem}.keras")
    recorded = {f"x{i}": array for i, array in enumerate(inputs)} | {
        f"y{i:02}": a.numpy() for i, a in enumerate(listed)
    }
    np.savez(FOLDER / f"{stem}.npz", **recorded)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for model_name, maker in MODELS.items():
        if model_name in sys.argv[1:] or not sys.argv[1:]:
            record(model_name, maker)
