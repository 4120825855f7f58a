"""A way to write small models down, and numpy alone to compute them: no Keras takes part in most of these tests.

``sketch()`` is a model in the making. Each layer is computed as it is added, so its shape is known to whoever
adds the next one. ``compute`` runs a whole graph in a given float type; it knows nothing of folding.
"""

from itertools import product

import numpy as np
import pytest

from converter.archive import Weight
from converter.folding import fold
from converter.graph import Call, Graph, Layer, Ref
from converter.lowering.lower import lower

FUNCTIONS = {
    None: lambda x: x,
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: leaky(x, 0.2),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "sigmoid": lambda x: (1 + np.tanh(x / 2)) / 2,
    "softmax": lambda x: (
        np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)
    ),
}


def leaky(x, slope):
    return np.where(x > 0, x, x * np.asarray(slope, x.dtype))


def pair(value, count):
    return tuple(value) if isinstance(value, list | tuple) else (value,) * count


def windows(x, size, stride, dilation, padding, fill):
    """(N, *space, C) -> (N, *places, C, *size): what each place of a sliding window sees."""
    count = x.ndim - 2
    size, stride, dilation = pair(size, count), pair(stride, count), pair(dilation, count)
    reach = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    if padding == "same":
        total = [
            max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(x.shape[1:-1], stride, reach, strict=True)
        ]
        x = np.pad(x, [(0, 0), *((t // 2, t - t // 2) for t in total), (0, 0)], constant_values=fill)
    if padding == "causal":
        x = np.pad(x, [(0, 0), (reach[0] - 1, 0), (0, 0)])
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(1, count + 1)))
    places = (slice(None), *(slice(None, None, s) for s in stride), slice(None))
    return seen[(*places, *(slice(None, None, d) for d in dilation))]


def convolve(x, kernel, config, groups=1):
    seen = windows(
        x,
        kernel.shape[:-2],
        config.get("strides", 1),
        config.get("dilation_rate", 1),
        config.get("padding", "valid"),
        0,
    )
    space = kernel.ndim - 2
    seen = np.moveaxis(seen, x.ndim - 1, -1)  # (N, *places, *size, C)
    parts = []
    for group, part in enumerate(np.split(kernel, groups, -1)):
        width = kernel.shape[-2]
        own = seen[..., group * width : (group + 1) * width]
        parts.append(np.tensordot(own, part, axes=space + 1))
    return np.concatenate(parts, -1)


def depthwise(x, kernel, config):
    each = [convolve(x[..., [channel]], kernel[..., [channel], :], config) for channel in range(x.shape[-1])]
    return np.concatenate(each, -1)


def transposed(x, kernel, config):
    """Every input element adds kernel * element to the output, ``strides`` apart; 'same' crops."""
    count = x.ndim - 2
    stride, size = pair(config.get("strides", 1), count), kernel.shape[:count]
    full = [(n - 1) * s + max(k, s) for n, s, k in zip(x.shape[1:-1], stride, size, strict=True)]
    out = np.zeros((x.shape[0], *full, kernel.shape[-2]), x.dtype)
    for place in product(*map(range, size)):
        target = tuple(
            slice(p, p + (n - 1) * s + 1, s) for p, n, s in zip(place, x.shape[1:-1], stride, strict=True)
        )
        out[(slice(None), *target)] += x @ kernel[place].T
    if config.get("padding", "valid") == "same":
        low = [max(k - s, 0) // 2 for k, s in zip(size, stride, strict=True)]
        kept = [slice(a, a + n * s) for a, n, s in zip(low, x.shape[1:-1], stride, strict=True)]
        out = out[(slice(None), *kept)]
    return out


def pool(x, layer, reduce, fill):
    count = x.ndim - 2
    size = pair(layer.config.get("pool_size", 2), count)
    seen = windows(
        x, size, layer.config.get("strides") or size, 1, layer.config.get("padding", "valid"), fill
    )
    return reduce(seen, axis=tuple(range(-count, 0)))


def edges(value, count):
    value = value if isinstance(value, list) and count > 1 else [value] * count
    return [(0, 0), *(tuple(v) if isinstance(v, list) else (v, v) for v in value), (0, 0)]


def normalize(x, layer, w):
    axis = layer.config.get("axis", -1) % x.ndim
    laid = [1] * x.ndim
    laid[axis] = x.shape[axis]
    values = [w(f"vars/{number}").reshape(laid) for number in range(len(layer.weights))]
    gamma = values.pop(0) if layer.config.get("scale", True) else 1
    beta = values.pop(0) if layer.config.get("center", True) else 0
    mean, variance = values
    epsilon = np.asarray(layer.config.get("epsilon", 1e-3), x.dtype)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def spatial(layer, xs, w):  # noqa: C901, PLR0911  one per kind
    """Layers that see an image as (N, *space, C)."""
    kind, config, x = layer.kind, layer.config, xs[0]
    count = x.ndim - 2
    space = tuple(range(1, count + 1))
    base = kind[:-2] if kind[-1] == "D" else kind[:-11] + "Transpose"
    bias = w(max(layer.weights)) if config.get("use_bias", True) and layer.weights else 0
    if base == "Conv":
        return convolve(x, w("vars/0"), config, config.get("groups", 1)) + bias
    if base == "ConvTranspose":
        return transposed(x, w("vars/0"), config) + bias
    if base == "DepthwiseConv":
        return depthwise(x, w("vars/0"), config) + bias
    if base == "SeparableConv":
        return convolve(depthwise(x, w("vars/0"), config), w("vars/1"), {}) + bias
    if base == "MaxPooling":
        return pool(x, layer, np.max, -np.inf)
    if base == "AveragePooling":
        return pool(x, layer, np.sum, 0) / pool(np.ones_like(x), layer, np.sum, 0)
    if base.startswith("Global"):
        reduce = np.max if "Max" in base else np.mean
        return reduce(x, axis=space, keepdims=bool(config.get("keepdims")))
    if base == "ZeroPadding":
        return np.pad(x, edges(config["padding"], count))
    if base == "Cropping":
        kept = [slice(a, n - b) for (a, b), n in zip(edges(config["cropping"], count), x.shape, strict=True)]
        return x[tuple(kept)]
    for axis, times in zip(space, pair(config.get("size", 2), count), strict=True):
        x = np.repeat(x, times, axis)  # UpSampling
    return x


def plain(layer, xs, w):
    kind, config, x = layer.kind, layer.config, xs[0]
    rules = {
        "Dense": lambda: x @ w("vars/0") + (w("vars/1") if config.get("use_bias", True) else 0),
        "EinsumDense": lambda: (
            np.einsum(config["equation"], x, w("vars/0")) + (w("vars/1") if config.get("bias_axes") else 0)
        ),
        "BatchNormalization": lambda: normalize(x, layer, w),
        "LayerNormalization": lambda: (
            (x - x.mean(-1, keepdims=True))
            / np.sqrt(x.var(-1, keepdims=True) + np.asarray(1e-3, x.dtype))
            * w("vars/0")
            + w("vars/1")
        ),
        "Activation": lambda: x,
        "Softmax": lambda: FUNCTIONS["softmax"](x),
        "Rescaling": lambda: (
            x * np.asarray(config["scale"], x.dtype) + np.asarray(config.get("offset", 0.0), x.dtype)
        ),
        "Quotient": lambda: (
            x * np.asarray(config["a"], x.dtype) / (1 + np.asarray(config["b"], x.dtype) * np.abs(x))
        ),
        "ReLU": lambda: leaky(x, config.get("negative_slope", 0.0)).clip(max=config.get("max_value")),
        "LeakyReLU": lambda: leaky(x, config.get("negative_slope", 0.3)),
        "PReLU": lambda: np.maximum(x, 0) + w("vars/0") * np.minimum(x, 0),
        "Dropout": lambda: x,
        "Identity": lambda: x,
        "Masking": lambda: x * np.any(x != config.get("mask_value", 0.0), axis=-1, keepdims=True),
        "Flatten": lambda: (
            np.moveaxis(x, 1, -1) if config.get("data_format") == "channels_first" else x
        ).reshape(len(x), -1),
        "Reshape": lambda: x.reshape(len(x), *config["target_shape"]),
        "Permute": lambda: x.transpose(0, *config["dims"]),
        "RepeatVector": lambda: np.repeat(x[:, None], config["n"], 1),
        "Add": lambda: sum(xs[1:], x),
        "Subtract": lambda: x - xs[1],
        "Average": lambda: sum(xs[1:], x) / np.asarray(len(xs), x.dtype),
        "Multiply": lambda: x * xs[1],
        "Maximum": lambda: np.maximum(x, xs[1]),
        "Minimum": lambda: np.minimum(x, xs[1]),
        "Concatenate": lambda: np.concatenate(xs, config.get("axis", -1)),
    }
    return rules[kind]()


def run_layer(layer, xs, dtype):
    def w(path):
        return layer.weights[path].read().astype(dtype)

    first = layer.config.get("data_format") == "channels_first"
    if layer.kind[-2:] in {"1D", "2D", "3D"} or layer.kind.endswith("DTranspose"):
        y = spatial(layer, [np.moveaxis(x, 1, -1) if first else x for x in xs], w)
        y = np.moveaxis(y, -1, 1) if first and y.ndim == xs[0].ndim else y
    else:
        y = plain(layer, xs, w)
    ours = layer.activations.get("activation")
    y = ours.evaluate(y.astype(np.float64)) if ours else FUNCTIONS[layer.config.get("activation")](y)
    return y.astype(dtype)


def compute(graph, inputs, dtype):
    """The outputs of a graph, computed by numpy in one float type."""
    values = {ref: value.astype(dtype) for (_, ref), value in zip(graph.inputs, inputs, strict=True)}
    for call in graph.calls:
        xs = [values[source] for source in call.sources]
        values[Ref(call.layer, call.index)] = run_layer(graph.layers[call.layer], xs, dtype)
    return [values[ref] for _, ref in graph.outputs]


class Sketch:
    """A model in the making, computed in float64 on a batch of three as it grows."""

    def __init__(self, policy="float32", seed=0):
        self.policy, self.random = policy, np.random.default_rng(seed)
        self.stored = "float64" if policy == "float64" else "float32"
        self.layers, self.calls, self.values, self.inputs, self.examples = {}, [], {}, [], []

    def input(self, *shape):
        name = f"in{len(self.inputs)}"
        self.layers[name] = Layer(name, "InputLayer", {"batch_shape": [None, *shape], "dtype": self.stored})
        example = self.random.normal(size=(3, *shape))
        self.examples.append(example)
        self.inputs.append((name, Ref(name)))
        self.values[Ref(name)] = example
        return Ref(name)

    def shape(self, ref):
        return self.values[ref].shape[1:]

    def add(self, kind, *sources, name=None, policy=None, stops_mask=False, activation=None, **config):
        """Add a layer with random weights, called on these tensors; merges take several as a list."""
        xs = [self.values[source] for source in sources]
        ours = {"activation": activation} if not isinstance(activation, str | None) else {}
        if isinstance(activation, str):
            config["activation"] = activation
        name = name or f"{kind.lower()}{len(self.layers)}"
        weights = {
            f"vars/{number}": Weight.of(value.astype(self.stored))
            for number, value in enumerate(self.weights(kind, config, xs[0].shape))
        }
        self.layers[name] = Layer(
            name, kind, config, policy or self.policy, weights, ours, stops_mask=stops_mask
        )
        return self.again(name, *sources)

    def again(self, name, *sources, **kwargs):
        """Call a layer once more."""
        layer = self.layers[name]
        index = sum(call.layer == name for call in self.calls)
        merges = layer.kind in {"Add", "Subtract", "Average", "Multiply", "Maximum", "Minimum", "Concatenate"}
        self.calls.append(Call(name, index, (list(sources),) if merges else sources, kwargs))
        self.values[Ref(name, index)] = run_layer(
            layer, [self.values[source] for source in sources], np.float64
        )
        return Ref(name, index)

    def weights(self, kind, config, shape):  # noqa: C901, PLR0911  one per family of layers
        def normal(*sizes):
            return self.random.normal(size=sizes) * 0.5

        channels = shape[1] if config.get("data_format") == "channels_first" else shape[-1]
        units = config.get("units") or config.get("filters")
        bias = [normal(units)] if config.get("use_bias", True) and units else []
        size = pair(config.get("kernel_size", 1), len(shape) - 2)
        if kind == "Dense":
            return [normal(channels, units), *bias]
        if kind.endswith("Transpose"):
            return [normal(*size, units, channels), *bias]
        if kind.startswith("Conv"):
            return [normal(*size, channels // config.get("groups", 1), units), *bias]
        times = config.get("depth_multiplier", 1)
        if kind.startswith("DepthwiseConv"):
            return [normal(*size, channels, times)] + (
                [normal(channels * times)] if config.get("use_bias", True) else []
            )
        if kind.startswith("SeparableConv"):
            return [normal(*size, channels, times), normal(*(1,) * len(size), channels * times, units), *bias]
        if kind == "BatchNormalization":
            count = shape[config.get("axis", -1)]
            kept = [config.get("scale", True), config.get("center", True), True]
            return [normal(count) for keep in kept if keep] + [self.random.uniform(0.5, 2.0, count)]
        if kind == "LayerNormalization":
            return [normal(channels), normal(channels)]
        if kind == "PReLU":
            return [self.random.uniform(0.1, 0.5, shape[1:])]
        if kind == "EinsumDense":
            return self.einsum(config, shape, normal)
        return []

    @staticmethod
    def einsum(config, shape, normal):
        """Each letter's size is that of the input or, in order, of ``output_shape``."""
        source, kernel, output = config["equation"].replace(".", "").replace(",", "->").split("->")
        sizes = dict(zip(source[::-1], shape[::-1], strict=False))
        sizes |= dict(zip(output[::-1], config["output_shape"][::-1], strict=False))
        bias = config.get("bias_axes") or ""
        first = min(map(output.index, bias), default=0)
        stored = [sizes[axis] if axis in bias else 1 for axis in output[first:]]
        return [normal(*(sizes[axis] for axis in kernel)), *([normal(*stored)] if bias else [])]

    def graph(self, *outputs):
        named = tuple((f"out{number}", ref) for number, ref in enumerate(outputs))
        return Graph("sketch", dict(self.layers), tuple(self.calls), tuple(self.inputs), named)


class Folded:
    """A model before and after folding."""

    def __init__(self, graph):
        self.original, self.lowered = graph, lower(graph)
        self.graph, self.rewrites = fold(self.lowered)
        self.kinds = [self.graph.layers[call.layer].kind for call in self.graph.calls]
        self.left = [rewrite.what for rewrite in self.rewrites if not rewrite.done]

    def error(self, inputs, dtype):
        """The largest difference from the original in float64, relative to its magnitude where that is over 1."""
        expected = compute(self.original, inputs, np.float64)
        found = compute(self.graph, inputs, dtype)
        return max(
            float(np.max(np.abs(a - b) / np.maximum(np.abs(a), 1), initial=0))
            for a, b in zip(expected, found, strict=True)
        )


@pytest.fixture
def sketch():
    return Sketch


@pytest.fixture
def folded():
    return Folded


@pytest.fixture(scope="session")
def numpy_outputs():
    return compute
