"""Nodes of a functional model that are no layers: operations of Keras 3, and TensorFlow functions of Keras 2.

``x + y`` on symbolic tensors is stored as the class ``Add`` of ``keras.src.ops.numpy``, in Keras 2 as a
``TFOpLambda`` that names ``__operators__.add``. Only those listed here are built, as the public function of
``keras.ops``.
"""

import re
from collections.abc import Mapping
from typing import Any

from converter.errors import UnsupportedError
from converter.graph import Layer

_MODULES = ("keras.src.ops.", "keras.ops.", "keras.ops")

# Classes of Keras 3; the function has the same name in snake case, and the same arguments.
_OPERATIONS = frozenset(
    """
    Absolute Add Amax Amin Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Average
    BroadcastTo Ceil Celu Clip Concatenate Copy Cos Cosh Cumsum Divide DivideNoNan Elu Equal Erf Exp
    ExpandDims Expm1 Flip Floor FloorDivide Gelu GetItem Glu Greater GreaterEqual HardSigmoid HardSilu HardTanh
    LeakyRelu Less LessEqual Log Log10 Log1p Log2 LogSigmoid LogSoftmax Logaddexp LogicalAnd LogicalNot
    LogicalOr Logsumexp Matmul Max Maximum Mean Min Minimum Mod Moveaxis Multiply Negative Normalize NotEqual
    OneHot OnesLike Pad Power Prod Reciprocal Relu Relu6 Repeat Reshape Roll Round Rsqrt Selu Sigmoid Sign Silu
    Sin Sinh Softmax Softplus Softsign Split Sqrt Square Squeeze Stack Std StopGradient Subtract Sum Swapaxes
    Take Tan Tanh Tensordot Tile Transpose TrueDivide Var Where ZerosLike
    """.split()
)

# TensorFlow functions of Keras 2 models, with the arguments that are called otherwise in keras.ops.
_TENSORFLOW: Mapping[str, tuple[str, Mapping[str, str]]] = {
    **dict.fromkeys(("__operators__.add", "math.add"), ("add", {"x": "x1", "y": "x2"})),
    **dict.fromkeys(("math.subtract", "__operators__.sub"), ("subtract", {"x": "x1", "y": "x2"})),
    "math.multiply": ("multiply", {"x": "x1", "y": "x2"}),
    **dict.fromkeys(("math.divide", "math.truediv"), ("true_divide", {"x": "x1", "y": "x2"})),
    "math.maximum": ("maximum", {"x": "x1", "y": "x2"}),
    "math.minimum": ("minimum", {"x": "x1", "y": "x2"}),
    "math.negative": ("negative", {}),
    "math.abs": ("absolute", {}),
    "math.exp": ("exp", {}),
    "math.sqrt": ("sqrt", {}),
    "math.square": ("square", {}),
    **dict.fromkeys(("math.sigmoid", "nn.sigmoid"), ("sigmoid", {})),
    **dict.fromkeys(("math.tanh", "nn.tanh"), ("tanh", {})),
    "nn.relu": ("relu", {"features": "x"}),
    "nn.softsign": ("softsign", {"features": "x"}),
    "nn.softmax": ("softmax", {"logits": "x"}),
    "reshape": ("reshape", {"tensor": "x", "shape": "newshape"}),
    "expand_dims": ("expand_dims", {"input": "x"}),
    "math.reduce_mean": ("mean", {"input_tensor": "x"}),
    "math.reduce_sum": ("sum", {"input_tensor": "x"}),
    "math.reduce_max": ("max", {"input_tensor": "x"}),
}
_TENSORFLOW_LAYERS = frozenset({"TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"})


def is_operation(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of a model is an operation rather than a layer.

    The legacy format states no module; there, an ``Add`` without the options that every layer has is one.
    """
    if str(entry.get("class_name")) in _TENSORFLOW_LAYERS:
        return True
    if "module" in entry:
        return str(entry["module"]).startswith(_MODULES)
    config = entry.get("config")
    return (
        str(entry.get("class_name")) in _OPERATIONS
        and isinstance(config, Mapping)
        and "trainable" not in config
    )


def read_operation(entry: Mapping[str, Any], name: str) -> tuple[Layer, Mapping[str, str]]:
    """Read an operation.

    Args:
        entry: Its object in the file.
        name: Its name in the graph.

    Returns:
        A layer of kind ``ops.<function>``, and new names for keyword arguments of its calls.

    Raises:
        UnsupportedError: It is not listed.
    """
    class_name, config = str(entry.get("class_name")), entry.get("config")
    config = config if isinstance(config, Mapping) else {}
    if class_name in _TENSORFLOW_LAYERS:
        return _tensorflow(config, name)
    if class_name not in _OPERATIONS:
        raise UnsupportedError(f"is the operation {class_name}, which is not known", where=f"layer '{name}'")
    function = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", class_name).lower()
    kept = {key: value for key, value in config.items() if key not in {"name", "dtype"} or _is_type(value)}
    kept.pop("name", None)
    return Layer(name, f"ops.{function}", kept), {}


def _tensorflow(config: Mapping[str, Any], name: str) -> tuple[Layer, Mapping[str, str]]:
    function = str(config.get("function"))
    known = _TENSORFLOW.get(function)
    if known is None:
        raise UnsupportedError(
            f"calls the TensorFlow function '{function}', which is not known",
            where=f"layer '{name}'",
            hint="Replace it by a layer, or by an operation of keras.ops, and save the model again.",
        )
    return Layer(name, f"ops.{known[0]}"), known[1]


def _is_type(value: object) -> bool:
    """A dtype that is an argument (of ``OneHot``); a policy is an object."""
    return isinstance(value, str)
