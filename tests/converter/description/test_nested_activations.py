"""A layer as another's ``activation=``: read as a layer, and put behind its host."""

import keras
import numpy as np
import pytest
from keras import layers

from converter import layers as own
from converter.activations import PSS
from converter.archive import Weight
from converter.description.layer_reader import LayerReader
from converter.description.nested_activations import extract_nested_activations
from converter.description.stated_activation import StatedActivation
from converter.errors import UnsupportedError
from converter.graph import Call, Graph, Layer, Ref


class PSSLayer(layers.Layer):
    def __init__(self, alpha=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return keras.ops.sigmoid(self.alpha * inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


class SS(layers.Activation):
    def __init__(self, activation, **kwargs):
        super().__init__(activation, **kwargs)
        self.__name__ = "SS"


def smooth_sigmoid(x):
    return x / (1 + keras.ops.abs(x))


def answered(*chain):
    """A model that has answered once: until then the weights of such a layer do not exist."""
    model = keras.Sequential(chain)
    model(np.zeros([1, *model.input_shape[1:]], model.inputs[0].dtype))
    return model


def dense(activation, **kwargs):
    return answered(keras.Input((4,)), layers.Dense(3, activation=activation, **kwargs), layers.Dense(2))


def on_steps(*middle):
    return answered(keras.Input((5, 3)), *middle, layers.Dense(2))


def called_twice():
    shared = layers.Dense(4, activation=layers.PReLU(), name="shared")
    x = keras.Input((4,))
    model = keras.Model(x, [shared(shared(x)), shared(x)])
    model(np.zeros((1, 4), "float32"))
    return model


def masked(activation, *between):
    return answered(
        keras.Input((6,), dtype="int32"),
        layers.Embedding(6, 4, mask_zero=True),
        *between,
        layers.Activation(activation) if between else layers.Dense(4, activation=activation),
        layers.LSTM(3),
    )


FORMS = {
    "leaky_relu": lambda: dense(layers.LeakyReLU(0.1)),
    "elu": lambda: dense(layers.ELU(0.5)),
    "relu": lambda: dense(layers.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.1)),
    "softmax": lambda: on_steps(layers.Dense(4, activation=layers.Softmax(axis=1))),
    "prelu": lambda: dense(layers.PReLU()),
    "prelu_without_bias": lambda: dense(layers.PReLU(), use_bias=False),
    "prelu_in_activation": lambda: answered(keras.Input((4,)), layers.Activation(layers.PReLU())),
    "activation_in_dense": lambda: dense(layers.Activation("tanh")),
    "prelu_in_activation_in_dense": lambda: dense(layers.Activation(layers.PReLU())),
    "ours_in_activation_in_dense": lambda: dense(layers.Activation(PSSLayer(3.0))),
    "lambda_in_dense": lambda: dense(layers.Lambda(lambda x: x / (1 + abs(x)))),
    "normalisation": lambda: dense(layers.BatchNormalization()),
    "convolution": lambda: answered(
        keras.Input((6, 6, 2)),
        layers.Conv2D(3, 2, activation=layers.PReLU(shared_axes=[1, 2])),
        layers.SeparableConv2D(3, 2, activation=layers.BatchNormalization()),
    ),
    "time_distributed": lambda: on_steps(
        layers.TimeDistributed(layers.Dense(4, activation=layers.LeakyReLU(0.3))),
        layers.TimeDistributed(layers.Dense(4, activation=layers.PReLU())),
    ),
    "called_twice": called_twice,
    "cell": lambda: on_steps(
        layers.LSTM(4, activation=layers.LeakyReLU(0.3), recurrent_activation=layers.ReLU(max_value=1.0)),
    ),
    "other_policy": lambda: dense(layers.LeakyReLU(0.1, dtype="float32"), dtype="mixed_float16"),
    "ours_of_another_policy": lambda: dense(own.PSS(3.0, dtype="float32"), dtype="mixed_bfloat16"),
    "subclass_of_activation": lambda: answered(
        keras.Input((4,)), layers.Dense(4, activation=SS(smooth_sigmoid)), SS(smooth_sigmoid), SS("tanh")
    ),
    "mask_leaky_relu": lambda: masked(layers.LeakyReLU(0.1)),
    "mask_prelu": lambda: masked(layers.PReLU()),
    "mask_softmax": lambda: masked(layers.Softmax(axis=1)),
    "mask_subclass_of_activation": lambda: masked(SS(smooth_sigmoid), layers.Dense(4)),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("form", FORMS)
def test_it_answers_as_the_original(saved, holds, form, suffix):
    holds(saved(f"as_activation_{form}", FORMS[form], suffix))


def test_it_stands_behind_its_host_and_the_output_keeps_its_name(saved):
    def make():
        return answered(keras.Input((4,)), layers.Dense(3, activation=layers.PReLU(), name="out"))

    graph = saved("as_activation_last", make, ".keras").graph
    assert [(name, layer.kind) for name, layer in graph.layers.items()][1:] == [
        ("out", "Dense"),
        ("out_p_re_lu", "PReLU"),
    ]
    assert graph.layers["out"].config["activation"] == "linear"
    assert set(graph.layers["out"].weights) == {"vars/0", "vars/1"}
    assert set(graph.layers["out_p_re_lu"].weights) == {"vars/0"}
    assert graph.outputs == (("out", Ref("out_p_re_lu")),)


def test_a_function_in_an_activation_layer_stays_an_argument(saved):
    graph = saved("as_activation_activation_in_dense", FORMS["activation_in_dense"], ".keras").graph
    assert [layer.config.get("activation") for layer in graph.layers.values()] == [None, "tanh", "linear"]


def keras_layer(class_name, **config):
    return {"class_name": class_name, "module": "keras.layers", "config": config}


def read(entry, stored=None, **stated):
    reader = LayerReader({name: StatedActivation.parse(text) for name, text in stated.items()}, keras_2=False)
    return reader.read(entry, "act", stored or {})[0]


@pytest.mark.parametrize("inner", ["PReLU", "Softmax", "BatchNormalization", "Dense"])
@pytest.mark.parametrize("key", ["activation", "recurrent_activation"])
def test_in_a_cell_only_what_is_elementwise_and_without_weights_may_stand(inner, key):
    entry = keras_layer("LSTM", units=2, **{key: keras_layer(inner, units=2)})
    with pytest.raises(UnsupportedError, match=f"its activation is a layer, {inner} of policy float32"):
        read(entry)
    with pytest.raises(UnsupportedError, match="of policy float16"):
        read(keras_layer("GRU", units=2, **{key: keras_layer("ELU", dtype="float16")}))
    kept = read(keras_layer("GRU", units=2, **{key: keras_layer("ELU")}))
    assert kept.config[key].kind == "ELU"


def test_nothing_can_be_stated_of_a_layer_of_keras():
    entry = keras_layer("Dense", units=2, activation=keras_layer("LeakyReLU", negative_slope=0.1))
    with pytest.raises(UnsupportedError, match="a LeakyReLU, one of Keras's own"):
        read(entry, act="pss")


@pytest.mark.parametrize("inner", ["StringLookup", "Add", "LSTM", "MultiHeadAttention"])
def test_a_layer_that_no_activation_can_be_is_refused(inner):
    with pytest.raises(UnsupportedError, match=f"is of class '{inner}'"):
        read(keras_layer("Dense", units=2, activation=keras_layer(inner)))


def test_a_policy_that_is_not_known_is_refused_there_too():
    quantized = {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8", "source_name": "float32"}}
    user = {"class_name": "PSSLayer", "module": None, "config": {"alpha": 2.0, "dtype": quantized}}
    for inner in (user, keras_layer("ReLU", dtype=quantized)):
        with pytest.raises(UnsupportedError, match="quantized to int8"):
            read(keras_layer("Dense", units=2, activation=inner))


def graph_of(host, *, masked=False):
    first = Layer("x", "InputLayer", {"batch_shape": (None, 4), "dtype": "float32"})
    mask = Layer("mask", "Masking", {"mask_value": 0.0})
    calls = (Call("mask", 0, (Ref("x"),)), Call(host.name, 0, (Ref("mask"),)))
    made = {layer.name: layer for layer in (first, mask if masked else mask.but(kind="Flatten"), host)}
    return Graph("model", made, calls, (("x", Ref("x")),), (("y", Ref(host.name)),))


def host(inner, **weights):
    return Layer("dense", "Dense", {"units": 3, "activation": inner}, weights=weights)


def test_a_layer_whose_weights_are_elsewhere_is_refused():
    with pytest.raises(UnsupportedError, match="a PReLU whose weights are not in the file"):
        extract_nested_activations(graph_of(host(Layer("dense/p", "PReLU"))))


def test_a_layer_that_a_mask_would_change_is_left_in_its_host_or_refused():
    softmax = host(Layer("dense/s", "Softmax", {"axis": 1}))
    assert extract_nested_activations(graph_of(softmax, masked=True)).layers["dense"] is softmax
    assert list(extract_nested_activations(graph_of(softmax)).layers) == [
        "x",
        "mask",
        "dense",
        "dense_softmax",
    ]
    weight = {"activation/vars/0": Weight.of(np.zeros(3, np.float32))}
    with pytest.raises(UnsupportedError, match="a mask may reach it"):
        extract_nested_activations(
            graph_of(host(Layer("dense/n", "LayerNormalization"), **weight), masked=True)
        )


def test_a_host_that_is_ours_in_name_only_gives_way():
    inner = Layer("act/leaky", "LeakyReLU", {"negative_slope": 0.1})
    graph = extract_nested_activations(graph_of(Layer("act", "Activation", {"activation": inner})))
    assert (graph.layers["act"].kind, graph.layers["act"].name) == ("LeakyReLU", "act")


def test_one_of_ours_of_another_policy_is_a_layer_of_its_own():
    entry = {"class_name": "PSSLayer", "module": None, "config": {"alpha": 3.0, "dtype": "float32"}}
    made = read(keras_layer("Dense", units=2, dtype="mixed_float16", activation=entry))
    graph = extract_nested_activations(graph_of(made.but(name="dense")))
    assert graph.layers["dense_activation"].activations == {"activation": PSS(3.0)}
    assert [layer.policy for layer in graph.layers.values()][2:] == ["mixed_float16", "float32"]
