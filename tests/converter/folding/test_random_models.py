"""Random models with branches, shared layers and several outputs: folded, they answer as they did.

Numpy computes all of them, in float64 and in float32; Keras builds and runs some.
"""

from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from converter.activations import PSS, SS, RationalSS
from converter.building.model_builder import build
from converter.folding.shape_inference import infer_shapes
from converter.graph import Ref

EXAMPLES, KERAS_EXAMPLES = 1000, 100
EXACT, SINGLE = 1e-12, 1e-5

SIZES = [(4,), (3, 4), (4, 3), (4, 4, 2), (3, 4, 4), (4, 4, 4)]
# All exact in float32, as are their quotients: Keras's Rescaling holds its scale so, even in float64.
FACTORS = st.sampled_from([1.0, 0.25, -0.25, 0.75, 1.5, -1.5, 2.0, 3.0, -3.0])
POSITIVE = st.sampled_from([0.25, 0.5, 1.0, 1.0, 2.0])
ZERO = st.integers(0, 19).map(lambda number: number == 19)
SMALL = st.integers(1, 4)
FUNCTIONS = st.sampled_from(["linear", "relu", "tanh"])
FORMAT = st.sampled_from(["channels_last", "channels_last", "channels_first"])


@st.composite
def parameter(draw, values, channels):
    """One number, or one per channel; rarely with a zero."""
    if draw(ZERO):
        values = st.sampled_from([0.0, 1.0])
    if draw(st.booleans()):
        return draw(values)
    return tuple(draw(st.lists(values, min_size=channels, max_size=channels)))


@st.composite
def activation(draw, channels):
    kind = draw(st.sampled_from(["pss", "rational", "rational", "gain", "ss"]))
    if kind == "pss":
        return PSS(draw(parameter(FACTORS, channels)))
    if kind == "ss":
        return SS()
    b = draw(parameter(POSITIVE, channels)) if kind == "rational" else 1.0
    return RationalSS(draw(parameter(FACTORS, channels)), b)


def linear(draw, shape, space):
    """A linear layer that takes this shape."""
    if space == 0 or draw(st.integers(0, 3)) == 0:
        kind = draw(st.sampled_from(["Dense", "Dense", "BatchNormalization"]))
        if kind == "Dense":
            return kind, {"units": draw(SMALL), "use_bias": draw(st.booleans())}
        axis = draw(st.sampled_from([-1, *range(1, len(shape) + 1)]))
        return kind, {"axis": axis, "scale": draw(st.integers(0, 3)) > 0, "center": draw(st.booleans())}
    base = draw(
        st.sampled_from(["Conv", "Conv", "DepthwiseConv", "SeparableConv", "Transpose", "EinsumDense"])
    )
    if base == "EinsumDense":
        letters = "bcd"[: len(shape)]
        output = letters[:-1] + "e"
        units = draw(SMALL)
        # Keras squeezes a bias of shape (n, 1) and may add it along another axis than it states.
        axes = [None, "e", *([output[-2:]] if units > 1 and shape[-2] > 1 else [])]
        options = {"output_shape": [*shape[:-1], units], "bias_axes": draw(st.sampled_from(axes))}
        return base, {"equation": f"a{letters},{letters[-1]}e->a{output}", **options}
    kind = f"Conv{space}DTranspose" if base == "Transpose" else f"{base}{space}D"
    options = {
        "kernel_size": [draw(st.integers(1, 2)) for _ in range(space)],
        "padding": draw(st.sampled_from(["same", "valid"])),
        "strides": [draw(st.integers(1, 2))] * space,
        "use_bias": draw(st.booleans()),
    }
    channels = shape[-1]
    if base == "Conv":
        options["data_format"] = draw(FORMAT)
        channels = shape[0] if options["data_format"] == "channels_first" else channels
        options["groups"] = draw(st.sampled_from([n for n in (1, 2) if channels % n == 0]))
        options["filters"] = draw(st.integers(1, 2)) * options["groups"]
    elif base == "DepthwiseConv":
        options["depth_multiplier"] = draw(st.integers(1, 2))
    else:
        options["filters"] = draw(st.integers(1, 3))
    smallest = min(shape[1:] if options.get("data_format") == "channels_first" else shape[:-1])
    if smallest < 2:
        options["padding"] = "same"
    return kind, options


def between(draw, shape, space):
    """A layer without our activations in it that takes this shape."""
    kinds = [
        "Dropout",
        "ReLU",
        "LeakyReLU",
        "PReLU",
        "Activation",
        "Rescaling",
        "LayerNormalization",
        *(["Softmax"] if shape[-1] > 1 else []),  # Keras warns of a softmax of one number
    ]
    spatial = [
        "MaxPooling",
        "AveragePooling",
        "GlobalMaxPooling",
        "GlobalAveragePooling",
        "ZeroPadding",
        "UpSampling",
    ]
    kind = draw(
        st.sampled_from(
            kinds + ([*spatial, "Flatten", "Reshape", "Permute"]) * 2 if space else [*kinds, "RepeatVector"]
        )
    )
    options = {}
    if kind in spatial:
        options["data_format"] = draw(FORMAT)
        option = {
            "MaxPooling": "pool_size",
            "AveragePooling": "pool_size",
            "ZeroPadding": "padding",
            "UpSampling": "size",
        }
        if kind in option:
            options[option[kind]] = [draw(st.integers(1, 2)) for _ in range(space)]
        if kind == "UpSampling" and space == 1:
            options = {"size": 2}
        if kind == "ZeroPadding" and space == 1:
            options["padding"] = 1
        if "pool_size" in options:
            options["padding"] = "same"
        if kind.startswith("Global"):
            options["keepdims"] = draw(st.booleans())
        kind = f"{kind}{space}D"
    options |= {
        "Dropout": {"rate": 0.5},
        "LeakyReLU": {"negative_slope": 0.25},  # exact in float32, in which TensorFlow holds it
        "Activation": {"activation": draw(FUNCTIONS)} if kind == "Activation" else {},
        "Rescaling": {"scale": 0.5, "offset": draw(st.sampled_from([0.0, 0.125]))} if kind == "Rescaling" else {},
        "Flatten": {"data_format": draw(FORMAT)} if kind == "Flatten" else {},
        "Reshape": {"target_shape": draw(st.sampled_from([[-1, shape[-1]], [shape[0], -1], [*shape[::-1]]]))},
        "Permute": {"dims": draw(st.permutations(range(1, len(shape) + 1)))} if kind == "Permute" else {},
        "RepeatVector": {"n": 2},
    }.get(kind, {})  # fmt: skip
    return kind, options


def grow(draw, model, pool):  # noqa: PLR0911  one per way to grow
    """Add one layer, or one call of a layer that is there."""
    source = draw(st.sampled_from([*pool[-3:], *pool[-1:] * 5]))  # chains arise
    shape = model.shape(source)
    space = len(shape) - 1
    what = draw(
        st.sampled_from(
            [
                "linear",
                "linear",
                "activated",
                "alone",
                "alone",
                "between",
                "between",
                "merge",
                "merge",
                "twins",
                "excite",
                "fork",
                "again",
            ]
        )
    )
    alike = [ref for ref in pool if model.shape(ref) == shape and ref != source]
    joinable = [ref for ref in pool if model.shape(ref)[:-1] == shape[:-1] and ref != source]
    if what == "merge" and joinable:
        if alike and draw(st.booleans()):
            kind = draw(st.sampled_from(["Add", "Add", "Subtract", "Average", "Maximum", "Multiply"]))
            return model.add(kind, source, draw(st.sampled_from(alike[-2:])))
        return model.add(
            "Concatenate",
            source,
            draw(st.sampled_from(joinable[-2:])),
            axis=draw(st.sampled_from([-1, len(shape)])),
        )
    if what == "twins" and alike:
        ours = draw(activation(shape[-1]))
        ends = [model.add("Activation", ref, activation=ours) for ref in (source, alike[-1])]
        return model.add(draw(st.sampled_from(["Add", "Subtract", "Average", "Concatenate"])), *ends)
    if what in {"excite", "fork"}:
        return branched(draw, model, source, what)
    again = [call for call in model.calls if model.shape(call.sources[0]) == shape and len(call.sources) == 1]
    if what == "again" and again:
        return model.again(draw(st.sampled_from(again)).layer, source)
    if what == "alone":
        return model.add("Activation", source, activation=draw(activation(shape[-1])))
    if what == "between":
        kind, options = between(draw, shape, space)
        return model.add(kind, source, **options)
    kind, options = linear(draw, shape, space)
    if what == "activated" and kind != "BatchNormalization":
        ours = draw(activation(1)) if kind != "Dense" else draw(activation(options["units"]))
        inside = ours if kind == "Dense" or not per_channel(ours) else draw(st.sampled_from(["relu", "tanh"]))
        return model.add(kind, source, activation=inside, **options)
    return model.add(kind, source, **options)


def branched(draw, model, source, what):
    """One of our activations with two consumers, whose branches are merged again."""
    shape = model.shape(source)
    space = len(shape) - 1
    made = model.add("Activation", source, activation=draw(activation(shape[-1])))
    if what == "fork" or not space:
        kind, options = linear(draw, shape, space)
        ends = [model.add(kind, made, **options) for _ in range(2)]
        return model.add(draw(st.sampled_from(["Add", "Multiply", "Concatenate"])), *ends)
    weights = model.add(f"GlobalAveragePooling{space}D", made, keepdims=True)
    if draw(st.integers(0, 3)):
        weights = model.add("Dense", weights, units=shape[-1], activation=draw(FUNCTIONS))
    return model.add("Multiply", *draw(st.permutations([made, weights])))


def per_channel(ours):
    return any(isinstance(value, list | tuple) for value in vars(ours).values())


@st.composite
def models(draw, sketch, policy):
    """Five to ten layers between linear ones. What no layer takes is an output; at times another tensor too."""
    model = sketch(policy, seed=draw(st.integers(0, 99)))
    size = draw(st.sampled_from(SIZES))
    pool = [model.input(*size) for _ in range(draw(st.integers(1, 2)))]
    pool += [model.add("Dense", ref, units=size[-1]) for ref in pool]
    for _ in range(draw(st.integers(5, 10))):
        pool.append(grow(draw, model, pool))
    pool.append(model.add("Dense", pool[-1], units=2))
    taken = {source for call in model.calls for source in call.sources}
    outputs = [ref for ref in pool if ref not in taken]
    if draw(st.integers(0, 4)) == 0:
        outputs.append(draw(st.sampled_from([ref for ref in pool if ref not in outputs])))
    return model, model.graph(*outputs)


def error(expected, found):
    """The largest difference, relative to the tensor's largest number where that is over 1."""
    return max(
        np.max(np.abs(a - np.asarray(b, np.float64)), initial=0) / max(1.0, np.max(np.abs(a), initial=0))
        for a, b in zip(expected, found, strict=True)
    )


@pytest.mark.parametrize(
    ("policy", "dtype", "bound"),
    [("float64", np.float64, EXACT), ("float32", np.float32, SINGLE)],
    ids=["float64", "float32"],
)
def test_a_thousand_random_models_answer_as_before(policy, dtype, bound, sketch, folded, numpy_outputs):
    seen = Counter()

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(models(sketch, policy))
    def hold(pair):
        model, graph = pair
        result = folded(graph)
        expected = numpy_outputs(graph, model.examples, np.float64)
        found = numpy_outputs(result.graph, model.examples, dtype)
        assert error(expected, found) < bound
        shapes = infer_shapes(graph)
        assert {ref: shapes[ref][1:] for ref in model.values} == {
            ref: model.shape(ref) for ref in model.values
        }
        done = [rewrite.done for rewrite in result.rewrites]
        assert len(result.lowered.graph.layers) - len(result.graph.layers) == sum(done)
        forked = [
            rewrite.done
            for rewrite in result.rewrites
            if consumer_count(result.lowered.graph, rewrite.layer) > 1
        ]
        seen.update(models=1, folded=sum(done), left=len(done) - sum(done), forked=sum(forked))

    hold()
    assert seen["models"] >= EXAMPLES
    assert seen["folded"] >= EXAMPLES // 2
    assert seen["left"] >= EXAMPLES // 2
    assert seen["forked"] >= EXAMPLES // 5


@pytest.mark.parametrize(("policy", "bound"), [("float64", EXACT), ("float32", SINGLE)])
def test_random_models_answer_in_keras_as_before(policy, bound, sketch, folded, numpy_outputs):
    @settings(max_examples=KERAS_EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(models(sketch, policy))
    def hold(pair):
        model, graph = pair
        assume(not any(map(only_on_gpu, graph.layers.values())))
        result = folded(graph)
        assume(any(rewrite.done for rewrite in result.rewrites))
        expected = numpy_outputs(graph, model.examples, np.float64)
        found = build(result.graph)(model.examples, training=False)
        assert error(expected, keras.tree.flatten(found)) < bound

    hold()


def consumer_count(graph, name):
    return len(graph.consumers(Ref(name)))


def only_on_gpu(layer):
    """TensorFlow convolves and pools with channels first on a GPU only."""
    return layer.config.get("data_format") == "channels_first" and layer.kind.startswith(
        ("Conv", "Max", "Av")
    )
