"""Folded models in Keras: what numpy says of a graph is what Keras computes, and folding changes neither."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from converter.activations import PSS, RationalSS
from converter.archive import Weight
from converter.building.model_builder import build
from converter.folding import fold
from converter.graph import Call, Graph, Layer, Ref
from converter.lowering.lower import lower

FIRST = {"data_format": "channels_first"}

# Every kind that the random models are made of: shape, then layers in a row. Slopes are exact in float32, in
# which TensorFlow holds them.
CHAINS = [
    (
        (5,),
        [
            ("Dense", {"units": 4, "activation": "tanh"}),
            ("BatchNormalization", {}),
            ("LeakyReLU", {"negative_slope": 0.25}),
        ],
    ),
    (
        (3, 4),
        [("Conv1D", {"filters": 2, "kernel_size": [2], "padding": "causal"}), ("GlobalAveragePooling1D", {})],
    ),
    (
        (4, 5, 4),
        [
            (
                "Conv2D",
                {"filters": 6, "kernel_size": [2, 3], "groups": 2, "padding": "same", "strides": [2, 2]},
            )
        ],
    ),
    (
        (7, 7, 2),
        [("Conv2D", {"filters": 2, "kernel_size": [2, 3], "dilation_rate": [2, 2]}), ("Flatten", {})],
    ),
    ((3, 4, 3, 2), [("Conv3D", {"filters": 2, "kernel_size": [2, 2, 2]}), ("Flatten", {})]),
    (
        (4, 2),
        [
            ("Conv1DTranspose", {"filters": 3, "kernel_size": [2], "strides": [2]}),
            ("ZeroPadding1D", {"padding": 1}),
        ],
    ),
    (
        (3, 4, 2),
        [("Conv2DTranspose", {"filters": 3, "kernel_size": [3, 2], "strides": [2, 2], "padding": "same"})],
    ),
    ((3, 4, 2), [("Conv2DTranspose", {"filters": 3, "kernel_size": [1, 2], "strides": [2, 2]})]),
    ((2, 3, 2, 2), [("Conv3DTranspose", {"filters": 3, "kernel_size": [2, 2, 2]})]),
    (
        (6, 3),
        [
            ("DepthwiseConv1D", {"kernel_size": [2], "depth_multiplier": 2}),
            ("MaxPooling1D", {"pool_size": [2]}),
        ],
    ),
    (
        (5, 5, 2),
        [
            (
                "DepthwiseConv2D",
                {"kernel_size": [2, 2], "depth_multiplier": 2, "padding": "same", "strides": [2, 2]},
            )
        ],
    ),
    (
        (6, 3),
        [
            ("SeparableConv1D", {"filters": 4, "kernel_size": [2]}),
            ("AveragePooling1D", {"pool_size": [2], "padding": "same"}),
        ],
    ),
    ((5, 4, 2), [("SeparableConv2D", {"filters": 3, "kernel_size": [2, 2], "use_bias": False})]),
    ((5, 4), [("EinsumDense", {"equation": "abc,cde->abde", "output_shape": [5, 3, 2], "bias_axes": "d"})]),
    ((5, 4), [("EinsumDense", {"equation": "...c,dc->...d", "output_shape": [3], "bias_axes": "d"})]),
    ((5, 4), [("EinsumDense", {"equation": "abc,bc->abc", "output_shape": [5, 4], "bias_axes": "bc"})]),
    ((3, 4, 2), [("BatchNormalization", {"axis": 1, "center": False}), ("Permute", {"dims": [3, 1, 2]})]),
    ((3, 4, 2), [("BatchNormalization", {"scale": False}), ("Reshape", {"target_shape": [-1, 6]})]),
    (
        (4, 5, 3),
        [
            ("MaxPooling2D", {"pool_size": [2, 2], "padding": "same"}),
            ("GlobalMaxPooling2D", {"keepdims": True}),
        ],
    ),
    ((4, 5, 3), [("AveragePooling2D", {"pool_size": [3, 2], "strides": [2, 2], "padding": "same"})]),
    ((4, 5, 3), [("GlobalAveragePooling2D", FIRST)]),
    ((4, 5, 3), [("GlobalMaxPooling2D", {**FIRST, "keepdims": True}), ("Flatten", FIRST)]),
    ((4, 5, 3), [("Flatten", FIRST), ("Softmax", {})]),
    (
        (4, 5, 3),
        [("ZeroPadding2D", {"padding": [[1, 0], [2, 1]]}), ("Cropping2D", {"cropping": [[0, 1], [1, 1]]})],
    ),
    ((4, 5, 3), [("UpSampling2D", {"size": [2, 1], **FIRST}), ("PReLU", {})]),
    (
        (4, 3),
        [
            ("UpSampling1D", {"size": 2}),
            ("LayerNormalization", {}),
            ("ReLU", {"negative_slope": 0.25, "max_value": 1.0}),
        ],
    ),
    (
        (3,),
        [
            ("RepeatVector", {"n": 2}),
            ("Rescaling", {"scale": [1.0, 2.0, 3.0], "offset": 0.5}),
            ("Dropout", {"rate": 0.5}),
        ],
    ),
]


def run(graph, inputs):
    """The outputs that Keras computes, eagerly."""
    outputs = build(graph)(inputs, training=False)
    return [np.asarray(output, np.float64) for output in keras.tree.flatten(outputs)]


def largest_difference(expected, found):
    return max(float(np.max(np.abs(a - b))) for a, b in zip(expected, found, strict=True))


def test_numpy_computes_every_kind_of_layer_as_keras_does(sketch, numpy_outputs):
    model, ends = sketch("float64"), []
    for shape, chain in CHAINS:
        end = model.input(*shape)
        for kind, options in chain:
            end = model.add(kind, end, **options)
        ends.append(end)
    pairs = [(model.input(3, 2), model.input(3, 2)) for _ in range(7)]
    merges = ["Add", "Subtract", "Average", "Multiply", "Maximum", "Minimum", "Concatenate"]
    ends += [model.add(kind, *pair) for kind, pair in zip(merges, pairs, strict=True)]
    ends.append(model.add("Activation", ends[0], activation=RationalSS((1.0, 2.0, -1.0, 0.5), 0.3)))
    ends.append(model.add("Activation", ends[0], activation=PSS(-2.0)))
    graph = model.graph(*ends)
    expected, found = numpy_outputs(graph, model.examples, np.float64), run(graph, model.examples)
    for output, a, b in zip(graph.outputs, expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12, err_msg=str(output))


def residual_network(model):
    """All three kinds of move at once: back through pooling, a shared gain on a sum, parts of a concatenation."""
    image = model.input(6, 6, 2)
    end = model.add(
        "Conv2D", image, filters=4, kernel_size=[3, 3], activation=RationalSS((1.5, 0.7, -1.0, 2.0), 0.8)
    )
    left = model.add("Conv2D", end, filters=3, kernel_size=[1, 1])
    left = model.add("Activation", model.add("BatchNormalization", left), activation=RationalSS(1.2, 0.6))
    right = model.add("DepthwiseConv2D", image, kernel_size=[3, 3])
    right = model.add(
        "SeparableConv2D", right, filters=3, kernel_size=[1, 1], activation=RationalSS(1.2, 0.6)
    )
    end = model.add("Add", left, right)
    end = model.add("MaxPooling2D", end, pool_size=[2, 2])
    tail = model.add(
        "GlobalAveragePooling2D", model.add("Conv2DTranspose", end, filters=2, kernel_size=[2, 2])
    )
    tail = model.add("Activation", tail, activation=PSS((3.0, -2.0)))
    side = model.add("Dense", model.input(4), units=3, activation=RationalSS((1.0, 2.0, 3.0), 1.0))
    return model.graph(
        model.add("Dense", model.add("Concatenate", tail, side), units=2, activation="softmax")
    )


def mobile_network(model):
    """Two inverted residual blocks with squeeze and excite, after a gain for each channel and after one for all."""
    image = model.input(6, 6, 3)
    end = image
    for gain in [(1.5, -0.7, 1.0, 2.0), 1.2]:
        made = model.add("Conv2D", end, filters=4, kernel_size=[1, 1], activation="relu")
        made = model.add("DepthwiseConv2D", made, kernel_size=[3, 3], padding="same", use_bias=False)
        made = model.add(
            "Activation", model.add("BatchNormalization", made), activation=RationalSS(gain, 0.8)
        )
        weights = model.add("GlobalAveragePooling2D", made)
        weights = model.add("Reshape", weights, target_shape=[1, 1, 4])
        weights = model.add("Conv2D", weights, filters=2, kernel_size=[1, 1], activation="relu")
        weights = model.add("Conv2D", weights, filters=4, kernel_size=[1, 1], activation="hard_sigmoid")
        made = model.add("Multiply", made, weights)
        end = model.add("Add", end, model.add("Conv2D", made, filters=3, kernel_size=[1, 1]))
    end = model.add("GlobalAveragePooling2D", end)
    return model.graph(model.add("Dense", end, units=2, activation="softmax"))


@pytest.mark.parametrize(("network", "scales"), [(residual_network, 8), (mobile_network, 4)])
@pytest.mark.parametrize(
    ("policy", "bound"),
    [("float64", 1e-13), ("float32", 1e-6), ("mixed_float16", 4e-3), ("mixed_bfloat16", 3e-2)],
)
def test_a_network_with_every_move_answers_in_keras_as_its_original_does(
    policy, bound, network, scales, sketch, folded, numpy_outputs
):
    model = sketch(policy)
    graph = network(model)
    result = folded(graph)
    assert result.left == []
    assert len(result.rewrites) == scales
    exact = numpy_outputs(graph, model.examples, np.float64)
    original, found = run(graph, model.examples), run(result.graph, model.examples)
    assert largest_difference(exact, original) < bound
    assert largest_difference(exact, found) < bound


def masked_model(activation, stops_mask):
    """Embedding with padding -> Dense -> activation -> LSTM: a mask changes the last state."""
    random = np.random.default_rng(3)

    def weights(**shapes):
        return {
            path: Weight.of(random.normal(size=shape).astype("float32")) for path, shape in shapes.items()
        }

    layers = [
        Layer("steps", "InputLayer", {"batch_shape": [None, 5], "dtype": "int32"}),
        Layer(
            "embed",
            "Embedding",
            {"input_dim": 6, "output_dim": 3, "mask_zero": True},
            weights=weights(**{"vars/0": (6, 3)}),
        ),
        Layer("dense", "Dense", {"units": 3}, weights=weights(**{"vars/0": (3, 3), "vars/1": (3,)})),
        Layer("act", "Activation", activations={"activation": activation}, stops_mask=stops_mask),
        Layer("after", "Dense", {"units": 3}, weights=weights(**{"vars/0": (3, 3), "vars/1": (3,)})),
        Layer(
            "lstm",
            "LSTM",
            {"units": 2},
            weights=weights(**{"cell/vars/0": (3, 8), "cell/vars/1": (2, 8), "cell/vars/2": (8,)}),
        ),
    ]
    names = [layer.name for layer in layers]
    calls = tuple(Call(name, 0, (Ref(before),)) for before, name in pairwise(names))
    return Graph(
        "masked",
        {layer.name: layer for layer in layers},
        calls,
        (("steps", Ref("steps")),),
        (("lstm", Ref("lstm")),),
    )


@pytest.mark.parametrize("stops_mask", [True, False], ids=["mask ends", "mask passes"])
@pytest.mark.parametrize("activation", [RationalSS(1.5, 0.8), PSS(3.0), RationalSS(2.0, 0.0)], ids=str)
def test_masks_reach_as_far_as_before(activation, stops_mask):
    steps = [np.array([[1, 2, 0, 0, 0], [5, 4, 3, 2, 1]], "int32")]
    graph = masked_model(activation, stops_mask)
    lowered = lower(graph)
    changed, rewrites = fold(lowered)
    assert any(rewrite.done for rewrite in rewrites) != (activation == RationalSS(2.0, 0.0) and stops_mask)
    assert largest_difference(run(graph, steps), run(changed, steps)) < 1e-6
    other = run(masked_model(activation, not stops_mask), steps)
    assert largest_difference(run(graph, steps), other) > 1e-3
