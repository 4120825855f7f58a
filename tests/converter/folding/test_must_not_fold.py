"""Scales that must stay, each with the reason that its user reads. What looks foldable here is not.

Each case is a function that adds layers to a sketch and returns the outputs; ``case`` names what must be said.
"""

import numpy as np
import pytest

from converter.activations import PSS, RationalSS
from converter.archive import Weight
from converter.graph import Layer
from converter.user_code import USER_CODE

CASES = []


def case(*reasons):
    """A model of which every scale must stay, with these words in their reasons, in order."""

    def register(write):
        CASES.append(pytest.param(write, reasons, id=write.__name__))
        return write

    return register


def dense_then(model, kind, alpha, shape=(6,), units=4, **options):
    """Dense -> some layer -> PSS."""
    made = model.add(kind, model.add("Dense", model.input(*shape), units=units, name="dense"), **options)
    return [model.add("Activation", made, activation=PSS(alpha), name="pss")]


def gain_then(model, kind, a, shape=(6,), **options):
    """RationalSS, whose gain is a -> some layer -> Dense."""
    made = model.add("Activation", model.input(*shape), activation=RationalSS(a, 1.0), name="rational")
    return [model.add("Dense", model.add(kind, made, **options), units=4, name="dense")]


@case("before it, the scale is negative, and 'maxpooling1d2' takes a maximum")
def negative_scale_before_max_pooling(model):
    return dense_then(model, "MaxPooling1D", -3.0, shape=(4, 6))


@case("the scale is negative, and 'maxpooling1d2' takes a maximum")
def one_negative_channel_before_max_pooling(model):
    return dense_then(model, "MaxPooling1D", (1.0, 2.0, -3.0, 4.0), shape=(4, 6))


@case("after it, the scale is negative, and 'maxpooling1d2' takes a maximum")
def negative_gain_into_max_pooling(model):
    return gain_then(model, "MaxPooling1D", -2.0, shape=(4, 6))


@case("the scale is negative, and 'globalmaxpooling1d2' takes a maximum")
def negative_scale_before_global_max_pooling(model):
    return dense_then(model, "GlobalMaxPooling1D", -3.0, shape=(4, 6))


@case("the scale is negative, and 'relu2' cuts off at zero")
def negative_scale_before_relu(model):
    return dense_then(model, "ReLU", -3.0)


@case("the scale is negative, and 'activation2' has a relu")
def negative_scale_before_an_activation_that_is_relu(model):
    return dense_then(model, "Activation", -3.0, activation="relu")


@case("the scale is negative, and 'leakyrelu2' bends at zero")
def negative_scale_before_leaky_relu(model):
    return dense_then(model, "LeakyReLU", -3.0)


@case("'relu2' is bounded")
def relu_with_an_upper_bound(model):
    return dense_then(model, "ReLU", 3.0, max_value=1.0)


@case("relu6 stands between, in 'activation2'")
def relu6(model):
    return dense_then(model, "Activation", 3.0, activation="relu6")


@case("takes a maximum")
def negative_scale_before_a_maximum_of_branches(model):
    source = model.input(5)
    made = model.add("Maximum", model.add("Dense", source, units=3), model.add("Dense", source, units=3))
    return [model.add("Activation", made, activation=PSS(-2.0))]


@case("before it, no scale crosses 'layernormalization2' (LayerNormalization)")
def layer_normalization_before(model):
    return dense_then(model, "LayerNormalization", 3.0)


@case("after it, no scale crosses 'layernormalization2' (LayerNormalization)")
def layer_normalization_after(model):
    return gain_then(model, "LayerNormalization", 2.0)


@case("no scale crosses 'softmax2' (Softmax)")
def softmax_layer(model):
    return dense_then(model, "Softmax", 3.0)


@case("softmax stands between, in 'activation2'")
def softmax_after_a_gain(model):
    return gain_then(model, "Activation", 2.0, activation="softmax")


@case("'batchnormalization2' has no gamma to take the scale, and its epsilon is not scale-free")
def epsilon_of_a_batch_normalization_without_gamma_before(model):
    return dense_then(model, "BatchNormalization", 3.0, scale=False)


@case("'batchnormalization2' has no gamma to take the scale, and its epsilon is not scale-free")
def epsilon_of_a_batch_normalization_without_gamma_after(model):
    return gain_then(model, "BatchNormalization", 2.0, scale=False)


@case("another branch of 'add2' does not carry it: 'in0' is an input of the model")
def residual_branch_without_the_scale(model):
    source = model.input(6)
    made = model.add("Activation", source, activation=RationalSS(2.0, 1.0))
    return [model.add("Dense", model.add("Add", made, source), units=2)]


@case("another branch of 'add3' does not carry it: no scale crosses 'dense2' (Dense)")
def residual_branch_from_a_linear_layer(model):
    made = model.add("Activation", model.input(6), activation=RationalSS(2.0, 1.0))
    other = model.add("Dense", model.examples and model.inputs[0][1], units=6)
    return [model.add("Dense", model.add("Add", made, other), units=2)]


@case("before it, the output of 'dense1' has 2 consumers")
def residual_branch_around_the_scale(model):
    made = model.add("Dense", model.input(6), units=6)
    return [model.add("Add", made, model.add("Activation", made, activation=PSS(3.0)))]


@case("does not carry it", "does not carry it")
def branches_with_different_gains(model):
    ends = [model.add("Activation", model.input(6), activation=RationalSS(a, 1.0)) for a in (2.0, 3.0)]
    return [model.add("Dense", model.add("Add", *ends), units=2)]


@case("after it, no scale crosses 'softmax4'", "after it, no scale crosses 'softmax4'")
def branches_with_the_same_gain_of_which_one_is_needed_elsewhere_as_it_is(model):
    ends = [model.add("Activation", model.input(6), activation=RationalSS(2.0, 1.0)) for _ in range(2)]
    return [model.add("Softmax", ends[1]), model.add("Dense", model.add("Add", *ends), units=2)]


@case("'dense' is shared: it is called 2 times", "'dense' is shared: it is called 2 times")
def shared_linear_layer(model):
    first = model.add("Dense", model.input(6), units=4, name="dense")
    second = model.again("dense", model.input(6))
    return [model.add("Activation", end, activation=PSS(3.0)) for end in (first, second)]


@case("it is shared: it is called 2 times")
def shared_activation(model):
    ends = [model.add("Dense", model.input(6), units=4) for _ in range(2)]
    return [model.add("Activation", ends[0], activation=PSS(3.0), name="pss"), model.again("pss", ends[1])]


@case("'dropout' is shared: it is called 2 times")
def shared_layer_on_the_way(model):
    ends = [model.add("Dense", model.input(6), units=4) for _ in range(2)]
    made = model.add("Dropout", ends[0], rate=0.5, name="dropout")
    return [model.add("Activation", made, activation=PSS(3.0)), model.again("dropout", ends[1])]


@case("before it, the output of 'dense' has 2 consumers; after it, sigmoid stands between")
def two_consumers_of_the_linear_layer(model):
    made = model.add("Dense", model.input(6), units=4, name="dense")
    return [model.add("Activation", made, activation=PSS(3.0)), model.add("ReLU", made)]


def gain(model, a=2.0, shape=(6,)):
    """RationalSS, whose gain is a."""
    return model.add("Activation", model.input(*shape), activation=RationalSS(a, 1.0), name="rational")


def excited(model, y, gate="sigmoid"):
    """A squeeze-and-excite block and a convolution behind it."""
    squeezed = model.add("GlobalAveragePooling2D", y, keepdims=True)
    weights = model.add("Dense", squeezed, units=model.shape(y)[-1], activation=gate)
    return model.add("Conv2D", model.add("Multiply", y, weights), filters=2, kernel_size=[1, 1])


@case("after it, tanh stands between, in 'activation3'")
def one_of_two_consumers_is_not_linear(model):
    made = gain(model)
    return [model.add("Dense", made, units=2), model.add("Activation", made, activation="tanh")]


@case("after it, the scale is negative, and 'relu3' cuts off at zero")
def one_of_two_consumers_turns_on_the_sign(model):
    made = gain(model, -2.0)
    return [model.add("Dense", made, units=2), model.add("Dense", model.add("ReLU", made), units=2)]


@case("after it, 'flatten3' is an output of the model")
def one_of_two_consumers_is_an_output(model):
    made = gain(model, shape=(2, 3))
    return [model.add("Dense", made, units=2), model.add("Flatten", made)]


@case("after it, 'dense' is shared: it is called 2 times")
def one_dense_for_the_gain_and_another_tensor(model):
    made = gain(model)
    first = model.add("Dense", made, units=3, name="dense")
    return [model.add("Dense", made, units=2), first, model.again("dense", model.input(6))]


@case("after it, 'dense' is shared: it is called 2 times")
def one_dense_for_the_gain_and_what_is_made_of_it(model):
    made = gain(model)
    first = model.add("Dense", made, units=3, name="dense")
    return [first, model.again("dense", model.add("Dropout", made, rate=0.5))]


@case("after it, a weight of 'dense3' would overflow float32")
def one_of_two_consumers_has_no_room_for_it(model):
    made = gain(model)
    ends = [model.add("Dense", made, units=2), model.add("Dense", made, units=2)]
    layer = model.layers["dense3"]
    kernel = Weight.of(np.full((6, 2), 2e38, "float32"))
    model.layers["dense3"] = layer.but(weights={**layer.weights, "vars/0": kernel})
    return ends


@case("'multiply2' multiplies branches of which 2 carry it")
def square_of_the_gain(model):
    made = gain(model)
    return [model.add("Dense", model.add("Multiply", made, made), units=2)]


@case("'multiply3' multiplies branches of which 2 carry it")
def product_of_two_tensors_with_the_gain(model):
    made = gain(model)
    return [model.add("Dense", model.add("Multiply", made, model.add("ReLU", made)), units=2)]


@case("'multiply3' multiplies branches of which 2 carry it")
def squeeze_without_a_layer_that_takes_the_scale_before_the_excitation(model):
    made = gain(model, shape=(3, 3, 4))
    squeezed = model.add("GlobalAveragePooling2D", made, keepdims=True)
    return [model.add("Conv2D", model.add("Multiply", made, squeezed), filters=2, kernel_size=[1, 1])]


@case("after it, 'multiply4' is an output of the model")
def excited_tensor_is_an_output(model):
    end = excited(model, gain(model, shape=(3, 3, 4)))
    return [model.calls[-1].sources[0], end]


@case("after it, no scale crosses 'softmax6' (Softmax)")
def excited_tensor_goes_into_a_softmax_too(model):
    end = excited(model, gain(model, shape=(3, 3, 4)))
    return [model.add("Softmax", model.calls[-1].sources[0]), end]


@case("the scale differs along another axis than the channels of 'globalaveragepooling2d2'")
def squeeze_of_another_axis_than_the_gain_differs_along(model):
    made = gain(model, (1.0, 2.0, 3.0), shape=(2, 4, 3))
    squeezed = model.add("GlobalAveragePooling2D", made, keepdims=True, data_format="channels_first")
    weights = model.add("Dense", squeezed, units=3, activation="sigmoid")
    return [model.add("Dense", model.add("Multiply", made, weights), units=2)]


@case("the scale differs by channel, and the branches of 'multiply3' differ in rank")
def gain_per_channel_that_a_product_stretches_over_another_rank(model):
    made = gain(model, (1.0, 2.0, 3.0), shape=(3,))
    return [model.add("Dense", model.add("Multiply", model.input(3, 3), made), units=2)]


@case("the branches of 'add3' would carry different scales")
def sum_of_the_gain_with_itself_turned(model):
    made = gain(model, (1.0, 2.0, 3.0), shape=(3, 3))
    turned = model.add("Permute", made, dims=[2, 1])
    return [model.add("Dense", model.add("Add", made, turned), units=2)]


def gains_in_a_row(model):
    """Two sums, each of which needs another one of two scales in a row to go with a third."""
    other = model.add("Activation", model.input(6), activation=RationalSS(2.0, 1.0), name="other")
    first = gain(model)
    second = model.add("Activation", first, activation=RationalSS(2.0, 0.0), name="factor")
    sums = [model.add("Add", second, other), model.add("Add", other, first)]
    return [model.add("Dense", each, units=2) for each in sums]


@case(
    "after it, 'factor_scale' and a scale before it would both have to go",
    "after it, a weight of 'dense7' would overflow float32",
    "after it, 'factor_scale' and a scale before it would both have to go",
)
def gains_in_a_row_of_which_each_is_needed_for_a_sum(model):
    ends = gains_in_a_row(model)
    layer = model.layers["dense7"]
    kernel = Weight.of(np.full((6, 2), 2e38, "float32"))
    model.layers["dense7"] = layer.but(weights={**layer.weights, "vars/0": kernel})
    return ends


def test_of_two_gains_in_a_row_that_may_not_both_go_one_does(sketch, folded):
    model = sketch("float64")
    result = folded(model.graph(*gains_in_a_row(model)))
    assert [rewrite.done for rewrite in result.rewrites] == [True, True, False]
    assert result.error(model.examples, np.float64) < 1e-12


@case("before it, 'dense' is an output of the model")
def linear_layer_is_a_model_output(model):
    made = model.add("Dense", model.input(6), units=4, name="dense")
    return [made, model.add("Activation", made, activation=PSS(3.0))]


@case("'dropout2' is an output of the model")
def layer_on_the_way_is_a_model_output(model):
    ends = dense_then(model, "Dropout", 3.0, rate=0.5)
    return [model.calls[1].args and model.calls[-1].sources[0], *ends]


@case("after it, it is an output of the model")
def gain_is_a_model_output(model):
    made = model.add("Activation", model.input(6), activation=RationalSS(2.0, 1.0))
    return [made, model.add("Dense", made, units=2)]


@case("before it, tanh stands between, in 'dense'")
def tanh_inside_the_dense(model):
    made = model.add("Dense", model.input(6), units=4, activation="tanh", name="dense")
    return [model.add("Activation", made, activation=PSS(3.0))]


@case("the scale is negative, and 'dense' has a relu")
def negative_scale_and_relu_inside_the_dense(model):
    made = model.add("Dense", model.input(6), units=4, activation="relu", name="dense")
    return [model.add("Activation", made, activation=PSS(-3.0))]


@case("scale 0 not folded: it is zero")
def alpha_zero(model):
    return [model.add("Dense", model.input(6), units=4, activation=PSS(0.0))]


@case("per-channel scale not folded: it is zero")
def alpha_zero_in_one_channel(model):
    return [model.add("Dense", model.input(6), units=2, activation=PSS((0.0, 1.0)))]


@case("not folded: it is beyond 2^-32 to 2^32, where float32 could overflow or vanish")
def alpha_of_1e30(model):
    return [model.add("Dense", model.input(6), units=2, activation=PSS(1e30))]


@case("not folded: it is beyond 2^-32 to 2^32")
def alpha_of_1e_minus_30(model):
    return [model.add("Dense", model.input(6), units=2, activation=PSS((1.0, 1e-30)))]


@case("not folded: it is beyond 2^-10 to 2^10, where float16 could overflow or vanish")
def alpha_of_2000_in_float16(model):
    model.policy = "mixed_float16"
    return [model.add("Dense", model.input(6), units=2, activation=PSS(2000.0))]


@case("not folded: it is not finite")
def alpha_that_is_not_a_number(model):
    return [model.add("Dense", model.input(6), units=2, activation=PSS((1.0, float("nan"))))]


def with_weight(model, value, policy, alpha):
    model.policy = policy
    end = model.add("Dense", model.input(3), units=2, activation=PSS(alpha), name="dense")
    layer = model.layers["dense"]
    kernel = layer.weights["vars/0"].read().copy()
    kernel[0, 0] = value
    model.layers["dense"] = layer.but(weights={**layer.weights, "vars/0": Weight.of(kernel)})
    return [end]


@case("a weight of 'dense' would overflow float32")
def weight_that_would_overflow(model):
    return with_weight(model, 2e38, "float32", 3.0)


@case("a weight of 'dense' would overflow float16")
def weight_that_would_overflow_in_float16(model):
    return with_weight(model, 30000.0, "mixed_float16", 3.0)


@case("a weight of 'dense' would underflow float32")
def weight_that_would_turn_denormal(model):
    return with_weight(model, 1.2e-38, "float32", 0.5)


@case("a weight of 'dense' would underflow float16")
def weight_that_would_turn_denormal_in_float16(model):
    return with_weight(model, 7e-5, "mixed_float16", 0.5)


@case("a weight of 'dense' would underflow bfloat16")
def weight_that_would_turn_denormal_in_bfloat16(model):
    return with_weight(model, 1.2e-38, "bfloat16", 0.5)


@case("'dense' computes in float16, and the scale in float32")
def linear_layer_of_a_narrower_type(model):
    made = model.add("Dense", model.input(6), units=4, name="dense", policy="mixed_float16")
    return [model.add("Activation", made, activation=PSS(3.0))]


@case("it ends the mask that reaches it, as the original layer did")
def factor_that_stops_a_mask(model):
    made = model.add("Masking", model.input(4, 6))
    made = model.add("Activation", made, activation=RationalSS(2.0, 0.0), stops_mask=True)
    return [model.add("Conv1D", made, filters=2, kernel_size=[2])]


@case("no scale crosses 'masking2' (Masking)")
def masking_which_compares_values(model):
    return dense_then(model, "Masking", 3.0, shape=(4, 6), mask_value=0.5)


@case("'globalaveragepooling1d3' is called with more than one tensor")
def layer_that_is_handed_a_mask(model):
    mask = model.input(4)
    end = dense_then(model, "GlobalAveragePooling1D", 3.0, shape=(4, 6))
    call = model.calls[1]
    model.calls[1] = type(call)(call.layer, call.index, call.args, {"mask": mask})
    return end


@case("before it, 'in0' is an input of the model")
def activation_of_an_input(model):
    return [model.add("Activation", model.input(6), activation=PSS(3.0))]


@case("before it, no scale crosses 'multiply2' (Multiply)")
def product_before_the_scale(model):
    made = model.add("Dense", model.input(6), units=6)
    return [model.add("Activation", model.add("Multiply", made, model.inputs[0][1]), activation=PSS(3.0))]


def product_of_the_gain(model):
    made = model.add("Activation", model.input(4, 6), activation=RationalSS(2.0, 1.0))
    return model.add("Conv1D", model.add("Multiply", made, model.input(4, 6)), filters=2, kernel_size=[2])


@case("'multiply3' multiplies, and takes ones for what a mask hides")
def product_where_masks_put_ones(model):
    return [product_of_the_gain(model), model.add("Masking", model.input(4, 6))]


@case("'multiply3' multiplies, and takes ones for what a mask hides")
def product_where_a_mask_that_is_handed_over_puts_ones(model):
    ends = [product_of_the_gain(model), model.add("Dropout", model.input(4, 6), rate=0.5, name="dropout")]
    call, mask = model.calls[-1], model.input(4)
    model.calls[-1] = type(call)(call.layer, call.index, call.args, {"mask": mask})
    return ends


@case("'rescaling2' adds an offset")
def rescaling_with_an_offset(model):
    return dense_then(model, "Rescaling", 3.0, scale=2.0, offset=1.0)


@case("the scale differs along another axis than the channels of 'dense'")
def flattened_image_with_a_scale_for_each_element(model):
    return dense_then(model, "Flatten", tuple(np.linspace(1, 2, 8)), shape=(2, 6))


@case("the scale differs along another axis than the channels of 'conv2d1'")
def scale_on_the_width_of_an_image_with_channels_first(model):
    made = model.add(
        "Conv2D", model.input(2, 4, 4), filters=3, kernel_size=[1, 1], data_format="channels_first"
    )
    return [model.add("Activation", made, activation=PSS((1.0, 2.0, 3.0, 4.0)))]


@case("the scale differs along another axis than the channels of 'globalaveragepooling2d2'")
def gain_on_the_width_of_an_average_with_channels_first(model):
    return gain_then(
        model, "GlobalAveragePooling2D", (1.0, 2.0, 3.0), shape=(2, 4, 3), data_format="channels_first"
    )


@case("the scale differs along another axis than the channels of 'repeatvector2'")
def scale_for_each_step_of_a_repeated_vector(model):
    made = model.add("RepeatVector", model.add("Dense", model.input(6), units=3), n=4)
    made = model.add("Permute", made, dims=[2, 1])
    return [model.add("Activation", made, activation=PSS((1.0, 2.0, 3.0, 4.0)))]


@case("it has another number of channels than its tensor")
def more_numbers_than_channels(model):
    return [model.add("Dense", model.input(6), units=1, activation=PSS((1.0, 2.0, 3.0)))]


@case("a branch of 'add3' is broadcast")
def scale_per_channel_over_a_branch_that_is_stretched(model):
    branches = [
        model.add("Dense", model.inputs[0][1] if model.inputs else model.input(6), units=n) for n in (3, 1)
    ]
    return [model.add("Activation", model.add("Add", *branches), activation=PSS((1.0, 2.0, 3.0)))]


@case("the scale differs along an axis that the weights of 'einsum' do not have")
def bias_without_the_scaled_axis(model):
    options = {"equation": "abcd,de->abce", "output_shape": [4, 2, 3], "bias_axes": "bc"}
    made = model.add("EinsumDense", model.input(4, 2, 6), name="einsum", **options)
    return [model.add("Activation", made, activation=PSS((1.0, 2.0, 3.0)))]


@case("the bias of 'einsum' may lie along another axis than its equation says")
def bias_that_keras_squeezes(model):
    options = {"equation": "abc,bcd->abd", "output_shape": [3, 3], "bias_axes": "b"}
    made = model.add("EinsumDense", model.input(3, 6), name="einsum", **options)
    made = model.add("Permute", made, dims=[2, 1])
    return [model.add("Activation", made, activation=PSS((1.0, 2.0, 3.0)))]


@case("'dense' stores other weights than its options call for")
def linear_layer_with_weights_of_another_meaning(model):
    end = model.add("Dense", model.input(6), units=4, activation=PSS(3.0), name="dense")
    layer = model.layers["dense"]
    extra = {"vars/2": layer.weights["vars/1"]}
    model.layers["dense"] = layer.but(weights={**layer.weights, **extra})
    return [end]


@case("it differs by channel, and the number of channels is not known")
def scale_per_channel_on_channels_known_only_later(model):
    end = model.add(
        "Activation", model.add("Dropout", model.input(3), rate=0.5), activation=PSS((1.0, 2.0, 3.0))
    )
    model.layers["in0"] = model.layers["in0"].but(config={"batch_shape": [None, None], "dtype": "float32"})
    return [end]


@case("the sizes at 'flatten2' are not all known")
def scale_per_channel_over_a_length_known_only_later(model):
    end = gain_then(model, "Flatten", (1.0, 2.0, 3.0), shape=(4, 3))
    model.layers["in0"] = model.layers["in0"].but(config={"batch_shape": [None, None, 3], "dtype": "float32"})
    return end


@pytest.mark.parametrize(("write", "reasons"), CASES)
def test_the_scale_stays_and_the_report_says_why(write, reasons, sketch, folded):
    model = sketch()
    with np.errstate(all="ignore"):
        graph = model.graph(*write(model))
        result = folded(graph)
    assert all(name in result.graph.layers for name in result.lowered.scales)
    assert len(result.left) == len(result.rewrites) == len(reasons)
    for said, expected in zip(result.left, reasons, strict=True):
        assert expected in said
    assert result.graph == result.lowered.graph  # no weight has changed


def test_the_users_code_may_make_a_mask_that_a_product_takes_ones_for(sketch, folded):
    model = sketch()
    graph = model.graph(product_of_the_gain(model))
    assert folded(graph).left == []
    unknown = Layer("mine", USER_CODE)
    result = folded(graph.with_layer(unknown))
    assert "'multiply3' multiplies, and takes ones for what a mask hides" in result.left[0]


def test_b_of_1e_minus_30_is_kept_as_a_quotient_and_leaves_no_scale(sketch, folded):
    model = sketch()
    made = model.add("Dense", model.input(6), units=4, activation=RationalSS(1.5, 1e-30))
    result = folded(model.graph(model.add("Dense", made, units=2)))
    assert result.kinds == ["Dense", "Quotient", "Dense"]
    assert result.rewrites == ()


def test_a_gain_folds_where_the_softsign_before_it_ends_the_mask(sketch, folded):
    model = sketch()
    made = model.add("Masking", model.input(4, 6))
    made = model.add("Activation", made, activation=RationalSS(2.0, 1.0), stops_mask=True, name="rational")
    result = folded(model.graph(model.add("Conv1D", made, filters=2, kernel_size=[2])))
    assert result.left == []
    assert result.graph.layers["rational_softsign"].stops_mask


def test_without_a_mask_in_the_model_a_factor_that_would_stop_one_folds(sketch, folded):
    model = sketch()
    made = model.add("Activation", model.input(4, 6), activation=RationalSS(2.0, 0.0), stops_mask=True)
    assert folded(model.graph(model.add("Conv1D", made, filters=2, kernel_size=[2]))).left == []
