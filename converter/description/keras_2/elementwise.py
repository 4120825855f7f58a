"""Translates elementwise TensorFlow functions.

The parameters have TensorFlow's names and defaults, which are not always those of Keras: ``tf.nn.gelu`` is exact by
default, ``keras.ops.gelu`` is approximate.
"""

from collections.abc import Callable, Mapping

from converter.description.keras_2.operation import Operation, flag, identity, number, op, require_one_of
from converter.graph import Argument

Reader = Callable[..., Operation]
"""A function of TensorFlow: takes its arguments, by its names, and returns an expression."""

_DTYPES = frozenset(
    """
    float16 float32 float64 bfloat16 bool int8 int16 int32 int64 uint8 uint16 uint32 uint64
    """.split()
)

# One tensor; the result has its dtype.
_UNARY = {
    **{f"a{name}": f"arc{name}" for name in ("cos", "cosh", "sin", "sinh", "tan", "tanh")},
    **{
        name: name
        for name in """
            ceil cos cosh elu erf exp expm1 floor log log1p log_sigmoid logical_not negative reciprocal relu
            relu6 round rsqrt selu sigmoid sign sin sinh softplus softsign sqrt square tan tanh
            """.split()
    },
    "abs": "absolute",
    "neg": "negative",
    "rint": "round",
}
_TESTS = {"is_nan": "isnan", "is_inf": "isinf", "is_finite": "isfinite"}

# Two tensors x and y, or one and a constant.
_BINARY = {
    **dict.fromkeys(("divide", "div", "truediv", "realdiv"), "true_divide"),
    **dict.fromkeys(("floordiv", "floor_div"), "floor_divide"),
    **dict.fromkeys(("floormod", "mod"), "mod"),
    **{name: name for name in ("add", "subtract", "multiply", "maximum", "minimum")},
    **{name: name for name in ("divide_no_nan", "logical_and", "logical_or", "logical_xor")},
    "mul": "multiply",
    "pow": "power",
    "sub": "subtract",
}
_COMPARISONS = {
    **{name: name for name in "equal not_equal greater greater_equal less less_equal".split()},
    "eq": "equal",
    "ge": "greater_equal",
    "gt": "greater",
    "le": "less_equal",
    "lt": "less",
    "ne": "not_equal",
}


def _unary(function: str, *, same_dtype: bool = True) -> Reader:
    def read(x: Argument) -> Operation:
        return op(function, x, same_dtype=same_dtype)

    return read


def _binary(function: str, *, same_dtype: bool = True) -> Reader:
    def read(x: Argument, y: Argument) -> Operation:
        return op(function, x, y, same_dtype=same_dtype)

    return read


def _add_n(inputs: Argument) -> Operation:
    """((a + b) + c) + d."""
    first, *others = inputs if isinstance(inputs, list) else [inputs]
    total = identity(first)
    for other in others:
        total = op("add", total, other)
    return total


def _atan2(y: Argument, x: Argument) -> Operation:
    return op("arctan2", y, x)


def _squared_difference(x: Argument, y: Argument) -> Operation:
    return op("square", op("subtract", x, y))


def _cast(x: Argument, dtype: Argument) -> Operation:
    require_one_of(dtype, tuple(sorted(_DTYPES)), "dtype")
    return op("cast", x, dtype=dtype, same_dtype=False)


def _convert_to_tensor(value: Argument, dtype: Argument = None, dtype_hint: Argument = None) -> Operation:
    del dtype_hint  # a preference where there is a choice; a tensor leaves none
    return identity(value) if dtype is None else _cast(value, dtype)


def _clip_by_value(t: Argument, clip_value_min: Argument, clip_value_max: Argument) -> Operation:
    """max(min(t, most), least): the least wins where the bounds cross."""
    return op("maximum", op("minimum", t, clip_value_max), clip_value_min)


def _where(condition: Argument, x: Argument, y: Argument) -> Operation:
    return op("where", condition, x, y, same_dtype=False)


def _gelu(features: Argument, approximate: Argument = False) -> Operation:  # noqa: FBT002  as TensorFlow has it
    return op("gelu", features, approximate=flag(approximate, "approximate"))


def _leaky_relu(features: Argument, alpha: Argument = 0.2) -> Operation:
    return op("leaky_relu", features, negative_slope=number(alpha, "alpha"))


def _silu(features: Argument, beta: Argument = 1.0) -> Operation:
    if isinstance(beta, int | float) and beta == 1:
        return op("silu", features)
    return op("multiply", features, op("sigmoid", op("multiply", features, beta)))


def _like(function: str) -> Reader:
    def read(x: Argument, dtype: Argument = None) -> Operation:
        if dtype is None:
            return op(function, x)
        return op(function, _cast(x, dtype))

    return read


ELEMENTWISE: Mapping[str, Reader] = {
    **{name: _unary(function) for name, function in _UNARY.items()},
    **{name: _unary(function, same_dtype=False) for name, function in _TESTS.items()},
    **{name: _binary(function) for name, function in _BINARY.items()},
    **{name: _binary(function, same_dtype=False) for name, function in _COMPARISONS.items()},
    **{f"{function}_like": _like(f"{function}_like") for function in ("zeros", "ones")},
    "add_n": _add_n,
    "atan2": _atan2,
    "cast": _cast,
    "clip_by_value": _clip_by_value,
    "convert_to_tensor": _convert_to_tensor,
    "gelu": _gelu,
    "identity": identity,
    "leaky_relu": _leaky_relu,
    "silu": _silu,
    "squared_difference": _squared_difference,
    "stop_gradient": identity,
    "swish": _silu,
    "where": _where,
}
