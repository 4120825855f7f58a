"""Scales that algebra allows to fold: they go, and the numbers stay. Each case is one way through a model."""

import numpy as np
import pytest

from converter.activations import PSS, SS, RationalSS

PER_CHANNEL = {
    n: tuple(np.linspace(0.5, 3.0, n) * np.where(np.arange(n) % 2, -1, 1)) for n in (2, 3, 4, 5, 6)
}
POSITIVE = {n: tuple(np.abs(values)) for n, values in PER_CHANNEL.items()}
FIRST = {"data_format": "channels_first"}

# Kind of layer, the shape that it takes, its options; the channels of its output, or None where a scale per
# channel has no place there because channels come first.
LINEAR = [
    ("Dense", (5,), {"units": 4}, 4),
    ("Dense", (5,), {"units": 4, "use_bias": False}, 4),
    ("Dense", (2, 3, 5), {"units": 4}, 4),
    ("Conv1D", (7, 2), {"filters": 3, "kernel_size": [3], "padding": "causal"}, 3),
    ("Conv2D", (6, 5, 2), {"filters": 3, "kernel_size": [3, 2], "strides": [2, 1], "padding": "same"}, 3),
    ("Conv2D", (6, 6, 4), {"filters": 6, "kernel_size": [2, 2], "groups": 2, "dilation_rate": [2, 2]}, 6),
    ("Conv2D", (2, 6, 5), {"filters": 3, "kernel_size": [3, 2], **FIRST}, None),
    ("Conv3D", (3, 4, 3, 2), {"filters": 3, "kernel_size": [2, 2, 2]}, 3),
    ("Conv1DTranspose", (4, 2), {"filters": 3, "kernel_size": [3], "strides": [2]}, 3),
    ("Conv2DTranspose", (3, 4, 2), {"filters": 3, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same"}, 3),
    ("Conv3DTranspose", (2, 3, 2, 2), {"filters": 3, "kernel_size": [2, 2, 2]}, 3),
    ("DepthwiseConv1D", (6, 3), {"kernel_size": [3], "depth_multiplier": 2}, 6),
    ("DepthwiseConv2D", (5, 5, 2), {"kernel_size": [3, 3], "depth_multiplier": 3, "padding": "same"}, 6),
    ("DepthwiseConv2D", (5, 5, 3), {"kernel_size": [2, 2], "use_bias": False}, 3),
    ("SeparableConv1D", (6, 3), {"filters": 4, "kernel_size": [3], "depth_multiplier": 2}, 4),
    ("SeparableConv2D", (5, 4, 2), {"filters": 3, "kernel_size": [3, 3], "use_bias": False}, 3),
    ("EinsumDense", (5, 4), {"equation": "abc,cd->abd", "output_shape": [5, 3], "bias_axes": "d"}, 3),
    ("EinsumDense", (5, 4), {"equation": "...c,dc->...d", "output_shape": [3], "bias_axes": None}, 3),
    ("EinsumDense", (4, 6), {"equation": "abc,cde->abde", "output_shape": [4, 3, 2], "bias_axes": "de"}, 2),
    ("EinsumDense", (4, 6), {"equation": "abc,bc->abc", "output_shape": [4, 6], "bias_axes": "bc"}, 6),
    ("BatchNormalization", (5, 3), {}, 3),
    ("BatchNormalization", (3, 4), {"center": False, "epsilon": 1e-2}, 4),
    ("BatchNormalization", (3, 4, 2), {"axis": 3}, 2),
    ("BatchNormalization", (3, 4, 2), {"axis": 1}, None),
]  # fmt: skip
NAMES = [f"{kind}{list(options.values()) or ''}" for kind, _, options, _ in LINEAR]


def check(folded, graph, inputs, scales=0):
    """Every scale but so many has gone, each said where to, and the numbers are those of the original."""
    model = folded(graph)
    left = [name for name in model.lowered.scales if name in model.graph.layers]
    assert len(left) == len(model.left) == scales, model.rewrites
    assert model.error(inputs, np.float64) < 1e-11
    return model


@pytest.mark.parametrize(("kind", "shape", "options", "channels"), LINEAR, ids=NAMES)
@pytest.mark.parametrize("alpha", [3.0, -0.7])
def test_one_number_folds_out_of_a_sigmoid_into_the_layer_before(
    kind, shape, options, channels, alpha, sketch, folded
):
    del channels
    model = sketch("float64")
    end = model.add(kind, model.input(*shape), activation=None, **options)
    end = model.add("Activation", end, activation=PSS(alpha))
    check(folded, model.graph(end), model.examples)


@pytest.mark.parametrize(("kind", "shape", "options", "channels"), LINEAR, ids=NAMES)
def test_a_scale_per_channel_folds_into_the_layer_before(kind, shape, options, channels, sketch, folded):
    model = sketch("float64")
    made = model.add(kind, model.input(*shape), **options)
    if channels is None:  # alpha lies on the last axis; Permute brings the channels there
        made = model.add("Permute", made, dims=[2, 3, 1])
        channels = model.shape(made)[-1]
    end = model.add("Activation", made, activation=PSS(PER_CHANNEL[channels]))
    check(folded, model.graph(end), model.examples)


@pytest.mark.parametrize(("kind", "shape", "options", "channels"), LINEAR, ids=NAMES)
@pytest.mark.parametrize("a", [1.5, -0.4])
def test_a_gain_folds_into_the_layer_after(kind, shape, options, channels, a, sketch, folded):
    del channels
    model = sketch("float64")
    end = model.add("Activation", model.input(*shape), activation=RationalSS(a, 1.0))
    end = model.add(kind, end, **options)
    check(folded, model.graph(end), model.examples)


@pytest.mark.parametrize(("kind", "shape", "options", "channels"), LINEAR, ids=NAMES)
def test_a_gain_per_channel_folds_into_the_layer_after(kind, shape, options, channels, sketch, folded):
    model = sketch("float64")
    moved = channels is None
    source = model.input(*(shape[1:] + shape[:1] if moved else shape))
    end = model.add("Activation", source, activation=RationalSS(PER_CHANNEL[model.shape(source)[-1]], 1.0))
    if moved:
        end = model.add("Permute", end, dims=[3, 1, 2])
    end = model.add(kind, end, **options)
    check(folded, model.graph(end), model.examples)


# What stands between a linear layer and the scale: kind, options. The tensor is (6, 4, 3), or (3, 6, 4).
BETWEEN = [
    ("Dropout", {"rate": 0.5}),
    ("Activation", {"activation": "linear"}),
    ("Activation", {"activation": "relu"}),
    ("ReLU", {"negative_slope": 0.1}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("PReLU", {}),
    ("Rescaling", {"scale": 0.5}),
    ("MaxPooling2D", {"pool_size": [2, 2], "padding": "same"}),
    ("AveragePooling2D", {"pool_size": [4, 3], "strides": [2, 2], "padding": "same"}),
    ("GlobalMaxPooling2D", {}),
    ("GlobalAveragePooling2D", {"keepdims": True}),
    ("GlobalAveragePooling2D", {}),
    ("ZeroPadding2D", {"padding": [[1, 0], [2, 1]]}),
    ("Cropping2D", {"cropping": [[1, 0], [0, 1]]}),
    ("UpSampling2D", {"size": [2, 1]}),
    ("Flatten", {}),
    ("Reshape", {"target_shape": [-1, 3]}),
    ("Reshape", {"target_shape": [2, 3, 12]}),
    ("Permute", {"dims": [3, 1, 2]}),
    ("EinsumDense", {"equation": "abcd,de->abce", "output_shape": [6, 4, 3]}),
]
PLACES = [f"{kind}{list(options.values()) or ''}" for kind, options in BETWEEN]


@pytest.mark.parametrize(("kind", "options"), BETWEEN, ids=PLACES)
def test_a_scale_crosses_back_to_the_convolution_that_made_the_tensor(kind, options, sketch, folded):
    model = sketch("float64")
    made = model.add("Conv2D", model.input(6, 4, 2), filters=3, kernel_size=[1, 1])
    made = model.add(kind, made, **options)
    end = model.add("Activation", made, activation=PSS(2.5))
    check(folded, model.graph(end), model.examples)


@pytest.mark.parametrize(("kind", "options"), BETWEEN, ids=PLACES)
@pytest.mark.parametrize("shape", [(6, 4, 3), (2, 3, 3)])
def test_a_gain_per_channel_crosses_forward_to_the_layer_that_takes_the_tensor(
    kind, options, shape, sketch, folded
):
    if options.get("target_shape") == [2, 3, 12] or kind == "EinsumDense":
        shape = (6, 4, 3)
    model = sketch("float64")
    end = model.add("Activation", model.input(*shape), activation=RationalSS(POSITIVE[3], 1.0))
    end = model.add(kind, end, **options)
    if kind == "Permute":
        end = model.add("Permute", end, dims=[2, 3, 1])
    if options.get("target_shape") == [2, 3, 12]:
        end = model.add("Flatten", end)  # the channels lie side by side on the last axis, and Dense takes all
    end = model.add("Dense", end, units=2)
    check(folded, model.graph(end), model.examples)


def test_a_scale_per_channel_goes_back_through_a_flatten_that_keeps_the_channels_alone(sketch, folded):
    model = sketch("float64")
    made = model.add("Conv2D", model.input(4, 4, 2), filters=3, kernel_size=[3, 3])
    made = model.add("GlobalAveragePooling2D", made, keepdims=True)
    end = model.add("Activation", model.add("Flatten", made), activation=PSS(PER_CHANNEL[3]))
    check(folded, model.graph(end), model.examples)


@pytest.mark.parametrize("kind", ["Flatten", "GlobalAveragePooling2D", "MaxPooling2D"])
def test_layers_with_channels_first_are_crossed_along_their_own_axis(kind, sketch, folded):
    model = sketch("float64")
    end = model.add("Activation", model.input(4, 5, 3), activation=RationalSS(POSITIVE[3], 1.0))
    end = model.add(kind, model.add("Permute", end, dims=[3, 1, 2]), **FIRST)
    if kind == "MaxPooling2D":
        end = model.add("Conv2D", end, filters=2, kernel_size=[2, 2], **FIRST)
    check(folded, model.graph(model.add("Dense", end, units=2)), model.examples)


def test_a_flatten_with_channels_first_is_crossed_back(sketch, folded):
    model = sketch("float64")
    made = model.add("Conv2D", model.input(2, 1, 1), filters=3, kernel_size=[1, 1], **FIRST)
    made = model.add("Flatten", made, **FIRST)
    end = model.add("Activation", made, activation=PSS(PER_CHANNEL[3]))
    check(folded, model.graph(end), model.examples)


def test_a_gain_on_a_vector_is_repeated_along_the_steps(sketch, folded):
    model = sketch("float64")
    end = model.add("Activation", model.input(3), activation=RationalSS(PER_CHANNEL[3], 1.0))
    end = model.add("Conv1D", model.add("RepeatVector", end, n=4), filters=2, kernel_size=[2])
    check(folded, model.graph(end), model.examples)


@pytest.mark.parametrize("kind", ["Add", "Subtract", "Average", "Maximum", "Minimum"])
@pytest.mark.parametrize("alpha", [2.0, POSITIVE[3]], ids=["one number", "per channel"])
def test_a_scale_goes_back_into_every_branch_of_a_sum(kind, alpha, sketch, folded):
    model = sketch("float64")
    source = model.input(5)
    left, right = model.add("Dense", source, units=3), model.add("Dense", source, units=3)
    right = model.add("BatchNormalization", right)
    end = model.add("Activation", model.add(kind, left, right), activation=PSS(alpha))
    model = check(folded, model.graph(end), model.examples)
    assert model.rewrites[0].what.endswith("folded into 'batchnormalization3', 'dense1'")


def test_a_gain_that_differs_along_two_axes_is_laid_out_as_the_kernel_has_them(sketch, folded):
    model = sketch("float64")
    end = model.add("Activation", model.input(6), activation=RationalSS(PER_CHANNEL[6], 1.0))
    end = model.add("Reshape", end, target_shape=[2, 3])
    end = model.add("EinsumDense", end, equation="abc,dcb->ad", output_shape=[4], bias_axes="d")
    check(folded, model.graph(end), model.examples)


@pytest.mark.parametrize("axis", [-1, 2])
def test_each_branch_of_a_concatenation_gets_its_part_of_a_scale_per_channel(axis, sketch, folded):
    model = sketch("float64")
    source = model.input(4, 5)
    branches = [model.add("Dense", source, units=units) for units in (3, 1, 2)]
    end = model.add(
        "Activation", model.add("Concatenate", *branches, axis=axis), activation=PSS(PER_CHANNEL[6])
    )
    check(folded, model.graph(end), model.examples)


def test_a_concatenation_along_another_axis_gives_each_branch_the_whole_scale(sketch, folded):
    model = sketch("float64")
    branches = [model.add("Dense", model.input(steps, 5), units=3) for steps in (2, 4)]
    end = model.add("Activation", model.add("Concatenate", *branches, axis=1), activation=PSS(PER_CHANNEL[3]))
    check(folded, model.graph(end), model.examples)


@pytest.mark.parametrize(
    "gains", [(1.5, 1.5), (1.5, -0.3), (PER_CHANNEL[3], 2.0)], ids=["same", "two", "mixed"]
)
@pytest.mark.parametrize("axis", [-1, 1])
def test_a_gain_on_one_branch_of_a_concatenation_goes_into_its_part_of_the_next_kernel(
    gains, axis, sketch, folded
):
    model = sketch("float64")
    branches = [
        model.add("Activation", model.input(2, 3), activation=RationalSS(gain, 1.0)) for gain in gains
    ]
    branches.insert(1, model.input(2, 3))
    end = model.add("Concatenate", *branches, axis=axis)
    if axis == 1:
        end = model.add("Flatten", end)
    check(folded, model.graph(model.add("Dense", end, units=2)), model.examples)


@pytest.mark.parametrize("kind", ["Add", "Subtract", "Average", "Maximum", "Minimum"])
def test_gains_that_every_branch_of_a_sum_carries_go_forward_together(kind, sketch, folded):
    model = sketch("float64")
    left = model.add("Activation", model.input(4, 3), activation=RationalSS(1.5, 0.8))
    right = model.add("Activation", model.input(4, 3), activation=RationalSS(1.5, 0.8))
    right = model.add("Dropout", right, rate=0.1)
    end = model.add("Conv1D", model.add(kind, left, right), filters=2, kernel_size=[2])
    model = check(folded, model.graph(end), model.examples, scales=2)  # b = 0.8 stays on each input
    assert [rewrite.done for rewrite in model.rewrites] == [False, True, False, True]


def test_equal_gains_go_through_sums_of_sums(sketch, folded):
    model = sketch("float64")
    terms = [
        model.add("Activation", model.input(3), activation=RationalSS(PER_CHANNEL[3], 1.0)) for _ in range(4)
    ]
    left, right = model.add("Add", *terms[:2]), model.add("Average", *terms[2:])
    check(
        folded, model.graph(model.add("Dense", model.add("Subtract", left, right), units=2)), model.examples
    )


def excite(model, y, kind="Conv2D", gate="sigmoid", pooled="kept", **options):
    """Squeeze, two layers, excite: the tensor times a weight between 0 and 1 for each channel."""
    channels = model.shape(y)[0 if options else -1]
    size = {"kernel_size": [1, 1], **options} if kind == "Conv2D" else {}
    units = "filters" if kind == "Conv2D" else "units"
    weights = model.add("GlobalAveragePooling2D", y, keepdims=pooled == "kept", **options)
    if pooled == "reshaped":
        weights = model.add("Reshape", weights, target_shape=[1, 1, channels])
    weights = model.add(kind, weights, activation="relu", name="squeeze", **{units: 2}, **size)
    weights = model.add(kind, weights, activation=gate, name="excite", **{units: channels}, **size)
    return model.add("Multiply", y, weights)


@pytest.mark.parametrize("pooled", ["kept", "reshaped"])
@pytest.mark.parametrize("kind", ["Dense", "Conv2D"])
@pytest.mark.parametrize("a", [1.5, -0.4, PER_CHANNEL[3]], ids=["one number", "negative", "per channel"])
def test_a_gain_before_a_squeeze_and_excite_block_folds_into_the_squeeze_and_behind_the_product(
    a, kind, pooled, sketch, folded
):
    model = sketch("float64")
    y = model.add("Activation", model.input(4, 5, 3), activation=RationalSS(a, 1.0))
    y = excite(model, y, kind, pooled=pooled)
    end = model.add("Conv2D", y, filters=2, kernel_size=[2, 2], name="after")
    model = check(folded, model.graph(end), model.examples)
    assert model.rewrites[0].what.endswith("folded into 'squeeze', 'after'")


def test_a_gain_before_a_squeeze_and_excite_block_with_channels_first_folds(sketch, folded):
    model = sketch("float64")
    y = model.add("Activation", model.input(4, 5, 3), activation=RationalSS(PER_CHANNEL[3], 1.0))
    y = excite(model, model.add("Permute", y, dims=[3, 1, 2]), **FIRST)
    end = model.add("Conv2D", y, filters=2, kernel_size=[2, 2], **FIRST)
    check(folded, model.graph(end), model.examples)


def test_a_gain_before_an_inverted_residual_block_of_a_mobile_network_folds(sketch, folded):
    model = sketch("float64")
    source = model.input(6, 6, 3)
    y = model.add("Conv2D", source, filters=4, kernel_size=[1, 1], activation="relu")
    y = model.add("DepthwiseConv2D", y, kernel_size=[3, 3], padding="same", use_bias=False)
    y = model.add("BatchNormalization", y)
    y = model.add("Activation", y, activation=RationalSS(POSITIVE[4], 0.8))
    y = excite(model, y, gate="hard_sigmoid")
    y = model.add("Conv2D", y, filters=3, kernel_size=[1, 1], use_bias=False)
    y = model.add("Add", model.add("BatchNormalization", y), source)
    end = model.add("Dense", model.add("GlobalAveragePooling2D", y), units=2)
    model = check(folded, model.graph(end), model.examples)
    assert "Rescaling" not in model.kinds


def test_a_gain_crosses_several_squeeze_and_excite_blocks_one_in_another(sketch, folded):
    model = sketch("float64")
    y = model.add("Activation", model.input(4, 5, 3), activation=RationalSS(PER_CHANNEL[3], 1.0))
    gates = [
        model.add("Dense", model.add("GlobalAveragePooling2D", y, keepdims=True), units=3, activation="tanh")
        for _ in range(2)
    ]
    y = model.add("Multiply", gates[0], model.add("Multiply", y, gates[1]))
    y = model.add("Multiply", y, *gates)
    end = model.add(
        "Conv2D", model.add("AveragePooling2D", y, pool_size=[2, 2]), filters=2, kernel_size=[1, 1]
    )
    check(folded, model.graph(end), model.examples)


@pytest.mark.parametrize("a", [-1.5, PER_CHANNEL[6]], ids=["one number", "per channel"])
def test_a_gain_folds_into_all_that_take_it(a, sketch, folded):
    model = sketch("float64")
    y = model.add("Activation", model.input(4, 6), activation=RationalSS(a, 1.0))
    ends = [
        model.add("Dense", y, units=2),
        model.add("Dense", model.add("Flatten", y), units=3),
        model.add("Conv1D", model.add("Dropout", y, rate=0.5), filters=2, kernel_size=[2]),
    ]
    check(folded, model.graph(*ends), model.examples)


@pytest.mark.parametrize("kind", ["Add", "Subtract", "Average", "Maximum", "Minimum"])
def test_a_gain_folds_where_a_sum_takes_it_on_every_branch(kind, sketch, folded):
    model = sketch("float64")
    y = model.add("Activation", model.input(4, 6), activation=RationalSS(POSITIVE[6], 1.0))
    end = model.add("Dense", model.add(kind, y, model.add("ReLU", y)), units=2)
    check(folded, model.graph(end, model.add("Dense", y, units=3)), model.examples)


def test_equal_gains_of_a_sum_fold_where_each_is_taken_elsewhere_too(sketch, folded):
    model = sketch("float64")
    ends = [model.add("Activation", model.input(6), activation=RationalSS(2.0, 1.0)) for _ in range(2)]
    outputs = [model.add("Dense", end, units=2) for end in [*ends, model.add("Add", *ends)]]
    check(folded, model.graph(*outputs), model.examples)


def test_what_only_the_gains_together_can_pass_they_pass_together(sketch, folded):
    model = sketch("float64")
    left, right = (model.add("Activation", model.input(6), activation=RationalSS(2.0, 1.0)) for _ in range(2))
    first = model.add("Dense", model.add("Add", left, right), units=2)
    # The left gain alone would be on one half here, and on both there.
    second = model.add("Add", model.add("Concatenate", left, right), model.add("Concatenate", left, left))
    check(folded, model.graph(first, model.add("Dense", second, units=2)), model.examples)


@pytest.mark.parametrize("axis", [-1, 1])
def test_a_gain_folds_where_a_concatenation_takes_it_twice(axis, sketch, folded):
    model = sketch("float64")
    y = model.add("Activation", model.input(2, 3), activation=RationalSS(POSITIVE[3], 1.0))
    turned = model.add("Reshape", model.add("Flatten", y), target_shape=[2, 3])
    end = model.add("Concatenate", y, model.input(2, 3), turned, model.add("ReLU", y), axis=axis)
    check(folded, model.graph(model.add("Dense", model.add("Flatten", end), units=2)), model.examples)


def test_parts_of_a_concatenation_may_differ_along_different_axes(sketch, folded):
    model = sketch("float64")
    y = model.add("Activation", model.input(3, 3), activation=RationalSS(PER_CHANNEL[3], 1.0))
    end = model.add("Concatenate", y, model.add("Permute", y, dims=[2, 1]))
    check(folded, model.graph(model.add("Dense", model.add("Flatten", end), units=2)), model.examples)


def test_the_whole_formula_is_split_over_the_layers_around_it(sketch, folded):
    model = sketch()
    end = model.add("Dense", model.input(6), units=5, activation=RationalSS(1.5, 0.8), name="hidden")
    end = model.add("Dense", end, units=2, activation=PSS(3.0), name="last")
    result = folded(model.graph(end))
    assert [call.layer for call in result.graph.calls] == [
        "hidden",
        "hidden_softsign",
        "last",
        "last_sigmoid",
    ]
    assert [rewrite.what for rewrite in result.rewrites] == [
        "scale 0.8 folded into 'hidden'",
        "scale 1.875 folded into 'last'",
        "scale 3 folded into 'last'",
    ]
    assert result.error(model.examples, np.float32) < 1e-5


def test_a_scale_crosses_a_relu_inside_the_linear_layer(sketch, folded):
    model = sketch("float64")
    end = model.add("Conv2D", model.input(4, 4, 2), filters=3, kernel_size=[2, 2], activation="relu")
    end = model.add("Activation", end, activation=PSS(POSITIVE[3]))
    check(folded, model.graph(end), model.examples)


def test_b_zero_leaves_a_plain_factor_which_folds_back(sketch, folded):
    model = sketch("float64")
    end = model.add("Dense", model.input(4), units=3, activation=RationalSS(-1.7, 0.0))
    model = check(folded, model.graph(end), model.examples)
    assert model.kinds == ["Dense"]


def test_a_scale_that_two_layers_take_still_folds_back(sketch, folded):
    model = sketch("float64")
    middle = model.add("Dense", model.input(4), units=3, activation=RationalSS(1.7, 0.0))
    ends = [model.add("Dense", middle, units=2), model.add("Dense", middle, units=2)]
    check(folded, model.graph(*ends, middle), model.examples)


def test_equal_numbers_per_channel_are_one_number_to_a_reshape_of_unknown_size(sketch, folded):
    model = sketch()
    made = model.add("Dense", model.input(4), units=6)
    model.layers["in0"] = model.layers["in0"].but(config={"batch_shape": [None, None], "dtype": "float32"})
    end = model.add("Activation", model.add("Reshape", made, target_shape=[2, 3]), activation=PSS((2.0,) * 3))
    assert folded(model.graph(end)).left == []


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_sixteen_bit_policies_fold_and_keep_the_type_of_their_weights(policy, sketch, folded):
    model = sketch(policy)
    end = model.add("Dense", model.input(6), units=5, activation=PSS(3.0), name="dense")
    result = folded(model.graph(end))
    assert result.left == []
    stored = {weight.dtype.name for weight in result.graph.layers["dense"].weights.values()}
    assert stored == {"float32" if policy.startswith("mixed") else policy}
    assert result.error(model.examples, np.float32) < 0.02


def test_softsign_alone_leaves_nothing_to_fold(sketch, folded):
    model = sketch()
    result = folded(model.graph(model.add("Dense", model.input(6), units=5, activation=SS())))
    assert result.rewrites == ()
    assert result.kinds == ["Dense", "Activation"]


def test_a_small_weight_that_is_denormal_already_does_not_stop_a_scale(sketch, folded):
    model = sketch()
    end = model.add("Dense", model.input(2), units=2, activation=PSS(0.5), name="dense")
    kernel = model.layers["dense"].weights["vars/0"].read()
    kernel[0, 0] = 1e-40
    assert folded(model.graph(end)).left == []


def test_many_layers_between_are_no_deeper_than_one(sketch, folded):
    model = sketch()
    end = model.add("Dense", model.input(1), units=1)
    for _ in range(1500):
        end = model.add("Add", end, model.add("Dense", model.inputs[0][1], units=1))
    assert folded(model.graph(model.add("Activation", end, activation=PSS(3.0)))).left == []


def test_many_ways_between_two_scales_take_no_longer_than_one(sketch, folded):
    model = sketch("float64")
    ends = []
    for _ in range(2):
        end = model.add("Activation", model.input(1), activation=RationalSS(2.0, 1.0))
        for _ in range(60):  # 2^60 ways
            end = model.add("Average", end, end)
        ends.append(end)
    end = model.add("Dense", model.add("Add", *ends), units=1)
    check(folded, model.graph(end), model.examples)


def test_many_gains_of_one_sum_fold_together(sketch, folded):
    model = sketch()
    source = model.input(2)
    ends = [model.add("Activation", source, activation=RationalSS(2.0, 1.0)) for _ in range(100)]
    end = ends[0]
    for other in ends[1:]:
        end = model.add("Add", end, other)
    result = folded(model.graph(model.add("Dense", end, units=1)))
    assert result.left == []
    assert "Rescaling" not in result.kinds
