"""``--custom-objects`` with classes of different make: right in three formats, or the reason."""

import runpy

import keras
import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.command.cli import main

FORMATS = {"onnx": "m.onnx", "tflite": "m.tflite", "saved_model": "m_saved_model"}

CODE = """
import keras
import numpy as np
import tensorflow as tf


class Swishy(keras.layers.Layer):
    def __init__(self, beta=1.0, **kwargs):
        super().__init__(**kwargs)
        self.beta = beta

    def call(self, inputs):
        return inputs * tf.sigmoid(self.beta * inputs)

    def get_config(self):
        return {**super().get_config(), "beta": self.beta}


class MyDense(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(input_shape[-1], self.units))
        self.b = self.add_weight(name="b", shape=(self.units,))

    def call(self, inputs):
        return tf.matmul(inputs, self.w) + self.b

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Gate(keras.layers.Layer):
    def call(self, inputs, gate):
        return inputs * keras.ops.sigmoid(gate)


class Ends(keras.layers.Layer):
    def call(self, inputs):
        return inputs[:, :2], keras.ops.mean(inputs, axis=-1, keepdims=True)


class Block(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = keras.layers.Dense(units, activation="tanh")
        self.others = [keras.layers.Dense(units), keras.layers.Dense(units, use_bias=False)]
        self.norm = keras.layers.BatchNormalization()

    def build(self, input_shape):
        self.inner.build(input_shape)
        for other in self.others:
            other.build((input_shape[0], self.units))
        self.norm.build((input_shape[0], self.units))

    def call(self, inputs, training=None):
        x = self.inner(inputs)
        for other in self.others:
            x = x + other(x)
        return self.norm(x, training=training)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class MeanOfKept(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        kept = keras.ops.expand_dims(keras.ops.cast(mask, inputs.dtype), -1)
        return keras.ops.sum(inputs * kept, 1) / keras.ops.maximum(keras.ops.sum(kept, 1), 1.0)

    def compute_mask(self, inputs, mask=None):
        return None


class Noisy(keras.layers.Layer):
    def call(self, inputs, training=None):
        if training:
            inputs = inputs + keras.random.normal(keras.ops.shape(inputs))
        return keras.ops.tanh(inputs)


def sigmoid(x):
    return 2.0 * tf.sigmoid(x) - 1.0


class Scaled(keras.layers.Activation):
    def __init__(self, activation, **kwargs):
        super().__init__(activation, **kwargs)
        self.__name__ = "Scaled"

    def call(self, inputs):
        return 3.0 * super().call(inputs)


def softer(x):
    return x / (2.0 + tf.abs(x))


def halved(x, k=2.0):
    return tf.reduce_sum(x, axis=-1, keepdims=True) / k


class Running(keras.layers.Layer):
    def build(self, input_shape):
        self.mean = self.add_weight(name="mean", shape=(input_shape[-1],), trainable=False)
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        return (inputs - self.mean) * self.scale


@keras.saving.register_keras_serializable("shop", name="Renamed")
class Leaky(keras.layers.Layer):
    def call(self, inputs):
        return keras.ops.maximum(inputs, 0.3 * inputs)


class Wider(keras.layers.Dense):
    def call(self, inputs):
        return super().call(inputs) ** 2


class Named(keras.layers.Layer):
    def build(self, input_shape):
        self.alpha = self.add_weight(name="alpha", shape=(input_shape[-1],))

    def call(self, inputs):
        return inputs * self.alpha

    def save_own_variables(self, store):
        store["alpha"] = self.alpha.numpy()

    def load_own_variables(self, store):
        self.alpha.assign(store["alpha"])


class PSSLayer(keras.layers.Layer):
    def __init__(self, alpha=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return self.alpha * tf.sigmoid(inputs)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


class RationalSSLayer(keras.layers.Layer):
    def __init__(self, a=1.0, b=1.0, **kwargs):
        super().__init__(**kwargs)
        self.a, self.b = a, b

    def call(self, inputs):
        return self.a * inputs / (1 + self.b * tf.abs(inputs))

    def get_config(self):
        return {**super().get_config(), "a": self.a, "b": self.b}


class Nameless(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.net = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(3)])

    def build(self, input_shape):
        self.net.build(input_shape)

    def call(self, inputs):
        return self.net(inputs)


class Lookup(keras.layers.Layer):
    def build(self, input_shape):
        self.table = self.add_weight(name="table", shape=(5, 4))

    def call(self, inputs):
        return tf.gather(self.table, tf.cast(inputs, "int32"))


class ByValue(keras.layers.Layer):
    def call(self, inputs):
        return keras.ops.convert_to_tensor(np.abs(np.asarray(inputs)))

    def compute_output_shape(self, input_shape):
        return input_shape


class Cell(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(input_shape[-1], self.units))
        self.r = self.add_weight(name="r", shape=(self.units, self.units))

    def call(self, inputs, states):
        new = keras.ops.tanh(keras.ops.matmul(inputs, self.w) + keras.ops.matmul(states[0], self.r))
        return new, [new]

    def get_config(self):
        return {**super().get_config(), "units": self.units}
"""

dense = keras.layers.Dense


def chain(*layers):
    def made(code):
        x = keras.Input((6,), name="x")
        y = dense(5)(x)
        for layer in layers:
            y = layer(code)(y)
        return keras.Model(x, dense(3, name="y")(y))

    return made


def two_inputs(code):
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    return keras.Model([a, b], dense(3)(code["Gate"]()(a, gate=b)))


def two_outputs(code):
    x = keras.Input((6,), name="x")
    first, second = code["Ends"](name="ends")(x)
    return keras.Model(x, [dense(3, name="first")(first), dense(2, name="second")(second)])


def masked(code):
    x = keras.Input((7,), dtype="int32", name="x")
    y = keras.layers.Embedding(20, 4, mask_zero=True)(x)
    return keras.Model(x, dense(3)(code["MeanOfKept"]()(y)))


def in_time(code):
    x = keras.Input((4, 6), name="x")
    return keras.Model(x, dense(3)(keras.layers.TimeDistributed(code["MyDense"](5))(x)))


def own_cell(code):
    x = keras.Input((4, 6), name="x")
    return keras.Model(x, dense(3)(keras.layers.RNN(code["Cell"](5), unroll=True)(x)))


def sequential(*layers):
    return lambda code: keras.Sequential([keras.Input((6,), name="x"), *(layer(code) for layer in layers)])


MODELS = {
    "without a name in a Sequential": sequential(
        lambda code: code["Nameless"](), lambda code: code["Nameless"]()
    ),
    "elementwise": chain(lambda code: code["Swishy"](1.5)),
    "with weights": chain(lambda code: code["MyDense"](4)),
    "two inputs": two_inputs,
    "two outputs": two_outputs,
    "sublayers": chain(lambda code: code["Block"](4)),
    "mask-aware": masked,
    "training-aware": chain(lambda code: code["Noisy"]()),
    "own sigmoid": chain(lambda code: dense(4, activation=code["sigmoid"])),
    "subclass of Activation": chain(lambda code: code["Scaled"]("tanh")),
    "subclass of Activation as an argument": chain(lambda code: dense(4, activation=code["Scaled"]("tanh"))),
    "function": chain(lambda code: dense(4, activation=code["softer"])),
    "function in a Lambda": chain(lambda code: keras.layers.Lambda(code["halved"])),
    "function in a Lambda with arguments": chain(
        lambda code: keras.layers.Lambda(code["halved"], arguments={"k": 4.0})
    ),
    "build and weights that are not trained": chain(lambda code: code["Running"]()),
    "registered under another name": chain(lambda code: code["Leaky"]()),
    "subclass of Dense": chain(lambda code: code["Wider"](4)),
    "variables stored by name": chain(lambda code: code["Named"]()),
    "known name, other formula": chain(lambda code: code["PSSLayer"](2.5)),
    "behind a scale that would fold": chain(
        lambda code: code["RationalSSLayer"](1.5, 0.8), lambda code: code["MyDense"](4)
    ),
    "before a scale that would fold": chain(
        lambda code: code["MyDense"](4), lambda code: code["RationalSSLayer"](1.5, 0.8)
    ),
    "inside TimeDistributed": in_time,
    "a cell": own_cell,
}


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    file = tmp_path_factory.mktemp("code") / "mine.py"
    file.write_text(CODE)
    return file


@pytest.fixture
def model(request, code):
    keras.utils.set_random_seed(5)
    made = MODELS[request.param](runpy.run_path(str(code)))
    generator = np.random.default_rng(6)
    for weight in made.weights:  # not as they were initialised: a lost weight would not show
        weight.assign(generator.normal(0.3, 0.5, weight.shape).astype("float32") ** 2)
    return made


def sample(model):
    generator = np.random.default_rng(7)
    return {
        tensor._keras_history.operation.name: (
            generator.integers(0, 20, (5, *tensor.shape[1:])).astype("int32")
            if tensor.dtype == "int32"
            else generator.normal(size=(5, *tensor.shape[1:])).astype("float32")
        )
        for tensor in model.inputs
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, on saving
@pytest.mark.parametrize("model", MODELS, indirect=True)
def test_code_of_every_make_is_traced_into_three_formats(model, code, tmp_path, capsys):
    file = tmp_path / "m.keras"
    model.save(file)
    assert_right(model, file, FORMATS, code, capsys)


LISTED = ("with weights", "sublayers", "build and weights that are not trained", "function", "a cell")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
@pytest.mark.parametrize("model", LISTED, indirect=True)
def test_weights_that_the_legacy_format_only_lists_find_their_places(model, code, tmp_path, capsys):
    file = tmp_path / "m.h5"
    model.save(file)
    assert_right(model, file, {"onnx": FORMATS["onnx"]}, code, capsys)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_inputs_that_the_code_cannot_take_are_left_out_with_a_note(code, tmp_path, capsys):
    x = keras.Input((3,), name="x")
    rows = keras.layers.Flatten()(runpy.run_path(str(code))["Lookup"](name="lookup")(x))
    keras.Model(x, dense(2, name="y")(rows)).save(tmp_path / "m.keras")
    words = [str(tmp_path / "m.keras"), "--to", "onnx", "--output", str(tmp_path / "o")]
    assert main([*words, "--custom-objects", str(code)]) == 0
    assert "generated inputs are left out, because your code does not take them" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_code_that_needs_values_is_refused_with_the_reason(code, tmp_path, capsys):
    x = keras.Input((6,), name="x")
    keras.Model(x, runpy.run_path(str(code))["ByValue"](name="own")(x)).save(tmp_path / "m.keras")
    words = [str(tmp_path / "m.keras"), "--to", "onnx", "--output", str(tmp_path / "o")]
    assert main([*words, "--custom-objects", str(code)]) == 4
    printed = capsys.readouterr().err
    assert "your ByValue cannot be traced" in printed
    assert "keras.ops" in printed
    assert not (tmp_path / "o").exists()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_keras_file_cannot_hold_the_users_code(code, tmp_path, capsys):
    x = keras.Input((6,), name="x")
    keras.Model(x, runpy.run_path(str(code))["Swishy"](1.5, name="own")(x)).save(tmp_path / "m.keras")
    words = [str(tmp_path / "m.keras"), "--to", "keras", "--output", str(tmp_path / "o")]
    assert main([*words, "--custom-objects", str(code)]) == 4
    assert "would not load without its code" in capsys.readouterr().err


def assert_right(model, file, formats, code, capsys):
    inputs = sample(model)
    given = list(inputs.values()) if len(inputs) > 1 else inputs["x"]
    expected = [np.asarray(y) for y in keras.tree.flatten(model(given, training=False))]
    arguments = [str(file), "--custom-objects", str(code), "--require-proof"]
    arguments += [word for target in formats for word in ("--to", target)]
    assert main([*arguments, "--output", str(file.parent / "o")]) == 0, capsys.readouterr().err
    for target, name in formats.items():
        answers = open_artefact(target, file.parent / "o" / name).run(inputs)
        by_shape = {answer.shape: answer for answer in answers.values()}
        for want in expected:
            # As parity allows; a lost weight or another formula is a thousand times further off.
            np.testing.assert_allclose(by_shape[want.shape], want, rtol=1e-4, atol=1e-5)
