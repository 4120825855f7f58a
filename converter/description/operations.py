"""Reads operations of Keras 3: nodes of a functional model that are not layers.

``x + y`` on symbolic tensors is stored as the class ``Add`` of ``keras.src.ops.numpy``. Only those listed here
are built, as the public function of ``keras.ops``. ``keras_2`` reads the corresponding nodes of Keras 2.
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
    Absolute Add All Amax Amin Any Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Average
    BroadcastTo Ceil Celu Clip Concatenate Copy Cos Cosh Cumsum Divide DivideNoNan Elu Equal Erf Exp
    ExpandDims Expm1 Flip Floor FloorDivide Gelu GetItem Glu Greater GreaterEqual HardSigmoid HardSilu HardTanh
    LeakyRelu Less LessEqual Log Log10 Log1p Log2 LogSigmoid LogSoftmax Logaddexp LogicalAnd LogicalNot
    LogicalOr Logsumexp Matmul Max Maximum Mean Min Minimum Mod Moveaxis Multiply Negative Normalize NotEqual
    OneHot OnesLike Pad Power Prod Reciprocal Relu Relu6 Repeat Reshape Roll Round Rsqrt Selu Sigmoid Sign Silu
    Sin Sinh Softmax Softplus Softsign Split Sqrt Square Squeeze Stack Std StopGradient Subtract Sum Swapaxes
    Take Tan Tanh Tensordot Tile Transpose TrueDivide Var Where ZerosLike
    """.split()
)


def is_operation(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of a model is an operation rather than a layer.

    The legacy format states no module; there, an ``Add`` without the options that every layer has is an operation.
    """
    if "module" in entry:
        return str(entry["module"]).startswith(_MODULES)
    config = entry.get("config")
    return (
        str(entry.get("class_name")) in _OPERATIONS
        and isinstance(config, Mapping)
        and "trainable" not in config
    )


def read_operation(entry: Mapping[str, Any], name: str) -> Layer:
    """Read an operation.

    Args:
        entry: Its object in the file.
        name: Its name in the graph.

    Returns:
        A layer of kind ``ops.<function>``.

    Raises:
        UnsupportedError: It is not listed.
    """
    class_name, config = str(entry.get("class_name")), entry.get("config")
    config = config if isinstance(config, Mapping) else {}
    if class_name not in _OPERATIONS:
        raise UnsupportedError(f"is the operation {class_name}, which is not known", where=f"layer '{name}'")
    function = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", class_name).lower()
    kept = {key: value for key, value in config.items() if key not in {"name", "dtype"} or _is_type(value)}
    kept.pop("name", None)
    return Layer(name, f"ops.{function}", kept)


def _is_type(value: object) -> bool:
    """A dtype that is an argument (of ``OneHot``); a policy is an object."""
    return isinstance(value, str)
