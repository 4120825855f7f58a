"""Reads nodes of TensorFlow 2.0 to 2.3: an operation of TensorFlow's graph, with constants and attributes.

The mean along the first axis is stored as

    {"node_def": {"op": "Mean", "attr": {"keep_dims": {"b": true}, ...}}, "constants": {"1": [1]}}

and read as ``reduce_mean(x, axis=[1], keepdims=True)``.
"""

import base64
from collections.abc import Mapping
from typing import Any

from converter.description.keras_2.operation import ArgumentError
from converter.graph import Argument

_ELEMENTWISE = {
    name: name.lower()
    for name in """
        Abs Acos Acosh Add Asin Asinh Atan Atan2 Atanh Ceil Cos Cosh Elu Equal Erf Exp Expm1 Floor Greater
        Identity Less Log Log1p Maximum Minimum Mul Neg Pow Reciprocal Relu Relu6 Rint Round Rsqrt Selu Sigmoid
        Sign Sin Sinh Softplus Softsign Sqrt Square Sub Tan Tanh
        """.split()
} | {
    "AddV2": "add",
    "DivNoNan": "divide_no_nan",
    "FloorDiv": "floordiv",
    "FloorMod": "floormod",
    "GreaterEqual": "greater_equal",
    "IsNan": "is_nan",
    "LessEqual": "less_equal",
    "LogSoftmax": "log_softmax",
    "LogicalAnd": "logical_and",
    "LogicalNot": "logical_not",
    "LogicalOr": "logical_or",
    "NotEqual": "not_equal",
    "OnesLike": "ones_like",
    "RealDiv": "truediv",
    "SelectV2": "where",
    "Softmax": "softmax",
    "SquaredDifference": "squared_difference",
    "StopGradient": "stop_gradient",
    "ZerosLike": "zeros_like",
}

# Name of the function, of its inputs after the first, and of its attributes.
_WITH_ARGUMENTS: Mapping[str, tuple[str, tuple[str, ...], Mapping[str, str]]] = {
    **{
        name: (f"reduce_{name.lower()}", ("axis",), {"keep_dims": "keepdims"})
        for name in ("All", "Any", "Max", "Mean", "Min", "Prod", "Sum")
    },
    **{name: (name.lower(), ("axis",), {"output_type": "output_type"}) for name in ("ArgMax", "ArgMin")},
    "BatchMatMulV2": ("matmul", ("b",), {"adj_x": "adjoint_a", "adj_y": "adjoint_b"}),
    "BiasAdd": ("bias_add", ("bias",), {"data_format": "data_format"}),
    "Cast": ("cast", (), {"DstT": "dtype"}),
    "ExpandDims": ("expand_dims", ("axis",), {}),
    "GatherV2": ("gather", ("indices", "axis"), {"batch_dims": "batch_dims"}),
    "LeakyRelu": ("leaky_relu", (), {"alpha": "alpha"}),
    "MatMul": ("matmul", ("b",), {"transpose_a": "transpose_a", "transpose_b": "transpose_b"}),
    "Pad": ("pad", ("paddings",), {}),
    "PadV2": ("pad", ("paddings", "constant_values"), {}),
    "Reshape": ("reshape", ("shape",), {}),
    "Slice": ("slice", ("begin", "size"), {}),
    "Squeeze": ("squeeze", (), {"squeeze_dims": "axis"}),
    "StridedSlice": (
        "strided_slice",
        ("begin", "end", "strides"),
        {f"{name}_mask": f"{name}_mask" for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")},
    ),
    "Tile": ("tile", ("multiples",), {}),
    "Transpose": ("transpose", ("perm",), {}),
}
_TYPES = {"DT_HALF": "float16", "DT_FLOAT": "float32", "DT_DOUBLE": "float64"} | {
    f"DT_{name.upper()}": name for name in ("bfloat16", "bool", "int8", "int16", "int32", "int64", "uint8")
}
_COUNT = "N"


def name_of(config: Mapping[str, Any]) -> str:
    """The operation's name in TensorFlow's graph; empty if the node is malformed."""
    node = config.get("node_def")
    return str(node.get("op")) if isinstance(node, Mapping) else ""


def read_graph_node(
    config: Mapping[str, Any], taken: Argument
) -> tuple[str, list[Argument], dict[str, Argument]]:
    """The function that a node calls, as Keras 2 names it from TensorFlow 2.4 on, and its arguments.

    Args:
        config: The node's options.
        taken: Its tensors: one or a list; the constants stand between them.

    Raises:
        ArgumentError: The operation, or one of its attributes, is not known.
    """
    name = name_of(config)
    inputs = _with_constants(taken, config.get("constants") or {})
    attributes = _attributes(config["node_def"].get("attr") or {}) if name else {}
    if name in _ELEMENTWISE:
        _require_known(attributes, {})
        return _ELEMENTWISE[name], inputs, {}
    if name == "ConcatV2":
        return "concat", [inputs[:-1]], {"axis": inputs[-1]}
    if name == "Pack":
        return "stack", [inputs], {"axis": attributes.get("axis", 0)}
    if name not in _WITH_ARGUMENTS:
        raise ArgumentError(", which is not known")
    function, names, renamed = _WITH_ARGUMENTS[name]
    _require_known(attributes, renamed)
    options = {renamed[key]: value for key, value in attributes.items() if key in renamed}
    return function, inputs[:1], dict(zip(names, inputs[1:], strict=False)) | options


def _with_constants(taken: Argument, constants: Argument) -> list[Argument]:
    """The inputs in order; constants are stored by their positions among them."""
    inputs = list(taken) if isinstance(taken, list) else [taken]
    if not isinstance(constants, Mapping) or not all(str(key).isdecimal() for key in constants):
        raise ArgumentError(" with constants that are written in an unknown way")
    for position in sorted(constants, key=int):
        inputs.insert(int(position), constants[position])
    return inputs


def _attributes(stored: Argument) -> dict[str, Argument]:
    """Plain values; 64-bit integers are written as texts."""
    if not isinstance(stored, Mapping):
        raise ArgumentError(" with attributes that are written in an unknown way")
    return {key: _attribute(value) for key, value in stored.items() if not key.startswith("_")}


def _attribute(stored: Argument) -> Argument:
    try:
        ((kind, value),) = stored.items()
        return _value(kind, value)
    except (AttributeError, TypeError, ValueError):
        raise ArgumentError(" with attributes that are written in an unknown way") from None


def _value(kind: str, value: Argument) -> Argument:
    if kind == "i":
        return int(value)
    if kind == "s":
        return base64.b64decode(value).decode("ascii", "replace")
    if kind == "list":
        return [_attribute({name: item}) for name, items in value.items() for item in items]
    return _TYPES.get(str(value), str(value)) if kind == "type" else value


def _require_known(attributes: Mapping[str, Argument], known: Mapping[str, str]) -> None:
    """Check that all attributes that are set are known. Types and counts follow from the inputs."""
    for key, value in attributes.items():
        if key not in known and key != _COUNT and not isinstance(value, str) and value:
            raise ArgumentError(f" with the attribute '{key:.40}', which is not known")
