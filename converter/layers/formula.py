"""The reference implementation of a lambda's formula: calls the functions that the lambda names, as it calls them.

It shares nothing with the lowering except the list of known names. ``x * tf.nn.sigmoid(x)`` is parsed as Python,
and ``tf.nn.sigmoid`` is TensorFlow's own function; the lowering uses ``keras.ops`` and an order of arguments from a
table. So parity reveals a name that is mapped to the wrong function, or arguments in the wrong order.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from converter.lambdas import FUNCTIONS
from converter.layers.elementwise import Elementwise
from converter.layers.precision import Tensor

_OPERATORS: Mapping[type[ast.operator | ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_LIKE_NUMPY = frozenset({"np", "numpy", "jnp", "jax.numpy", "tf.experimental.numpy"})


class Formula(Elementwise):
    """Computes a lambda's expression as it is written. Only the converter creates this layer.

    Args:
        expression: Such as ``x * tf.nn.sigmoid(x)``: operators, numbers, and calls of names that
            ``converter.lambdas.FUNCTIONS`` knows.
        **kwargs: As of any Keras layer.

    Raises:
        ValueError: The expression holds anything else.
        TypeError: On a call: the result has another dtype than the layer computes in.
    """

    def __init__(self, expression: str, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._tree = ast.parse(expression, mode="eval").body

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """The shape of the inputs. Numpy's functions take no symbolic tensors, so the dtype is tried with a zero."""
        self.activate(ops.zeros((1,) * len(inputs.shape), self.compute_dtype))
        return keras.KerasTensor(inputs.shape, self.compute_dtype)

    def activate(self, x: Tensor) -> Tensor:
        """Compute the expression, in the dtype of ``x``."""
        with np.errstate(all="ignore"):  # numpy warns where the other modules do not
            answer = ops.convert_to_tensor(_value(self._tree, x))
        dtype = keras.backend.standardize_dtype(answer.dtype)
        if dtype != self.compute_dtype:
            raise TypeError(f"the lambda answers in {dtype} where its layer computes in {self.compute_dtype}")
        return answer


def _value(node: ast.expr, x: Tensor) -> Any:  # noqa: ANN401  a tensor or a number
    match node:
        case ast.Name("x"):
            return x
        case ast.Constant(int() | float() as value):
            return float(value)
        case ast.UnaryOp(ast.USub(), operand):
            return -_value(operand, x)
        case ast.BinOp(left, symbol, right) | ast.Compare(left, [symbol], [right]):
            return _OPERATORS[type(symbol)](_value(left, x), _value(right, x))
        case ast.Call(name, arguments, keywords):
            given = [_value(argument, x) for argument in arguments]
            named = {str(keyword.arg): _value(keyword.value, x) for keyword in keywords}
            return named_function(ast.unparse(name))(*given, **named)
    raise ValueError(f"a formula does not hold {ast.unparse(node)}")


def named_function(name: str) -> Callable[..., Any]:
    """The function of a known name.

    Raises:
        ValueError: The name is not known.
    """
    if name not in FUNCTIONS:
        raise ValueError(f"a formula does not call {name}")
    module, _, function = name.rpartition(".")
    found: Callable[..., Any] = getattr(_module(module), function) if module else abs
    return found


def _module(name: str) -> Any:  # noqa: ANN401  a module
    if name in _LIKE_NUMPY:
        return np
    if name == "math":
        return math
    last = name.rpartition(".")[2]
    if name == "jax.nn" or last == "ops":  # jax need not be installed; keras.ops has the same defaults
        return ops
    if last == "activations":
        return keras.activations
    import tensorflow as tf  # noqa: PLC0415  training with the other layers does not require TensorFlow

    if last in {"K", "backend"}:
        return tf.keras.backend
    return {"nn": tf.nn, "math": tf.math}.get(last, tf)
