"""The table of elementwise functions that a lambda may call, under all the names that users have for them.

A name is trusted: the file does not hold the module behind it. The table has only names that include their
module (``K.sigmoid``, but not a bare ``sigmoid``, which may be the user's own function); ``abs`` is Python's
built-in. Each name maps to an operation, which several names share; ``elementwise.py`` works with the operations.

Left out on purpose: names whose meaning changed between versions (``hard_sigmoid``, ``K.gelu``), Python's
``max`` and ``min``, which do not accept tensors, and every function that combines several elements.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import NamedTuple


class Function(NamedTuple):
    """The meaning of a function's name.

    Attributes:
        operation: The operation that it performs.
        parameters: The names of its parameters, in order; an empty name for a positional-only parameter.
        defaults: The defaults of the last parameters.
    """

    operation: str
    parameters: tuple[str, ...] = ("",)
    defaults: tuple[float, ...] = ()


_TENSORFLOW = ("tf", "tensorflow")
_KERAS = ("keras", "tf.keras", "tensorflow.keras")
_NUMPY = ("np", "numpy", "jnp", "jax.numpy")
_BACKEND = ("K", "backend", *(f"{keras}.backend" for keras in _KERAS))
_OPS = ("ops", *(f"{keras}.ops" for keras in _KERAS))
_ACTIVATIONS = ("activations", *(f"{keras}.activations" for keras in _KERAS))
_MATH = tuple(f"{tensorflow}.math" for tensorflow in _TENSORFLOW)
_NN = tuple(f"{tensorflow}.nn" for tensorflow in _TENSORFLOW)
_JAX_NN = ("jax.nn",)
_PYTHON = ("math",)  # takes numbers only, never x
_TF = (*_TENSORFLOW, *_MATH)

# Functions of one argument: the operation, the modules that have it, its name in them.
_UNARY: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("abs", (*_TF, *_BACKEND, *_OPS, *_NUMPY), "abs"),
    ("abs", (*_OPS, *_NUMPY, "tf.experimental.numpy"), "absolute"),
    ("abs", ("tf.experimental.numpy",), "abs"),
    ("negative", (*_TF, *_OPS, *_NUMPY), "negative"),
    ("exp", (*_TF, *_BACKEND, *_OPS, *_NUMPY, *_PYTHON), "exp"),
    ("exp", _ACTIVATIONS, "exponential"),
    ("expm1", (*_MATH, *_OPS, *_NUMPY), "expm1"),
    ("log", (*_MATH, *_BACKEND, *_OPS, *_NUMPY, *_PYTHON), "log"),
    ("log1p", (*_MATH, *_OPS, *_NUMPY), "log1p"),
    ("sqrt", (*_TF, *_OPS, *_NUMPY, *_PYTHON), "sqrt"),
    ("rsqrt", (*_MATH, *_OPS), "rsqrt"),
    ("square", (*_TF, *_BACKEND, *_OPS, *_NUMPY), "square"),
    ("reciprocal", (*_MATH, *_OPS, *_NUMPY), "reciprocal"),
    ("sin", (*_TF, *_BACKEND, *_OPS, *_NUMPY, *_PYTHON), "sin"),
    ("cos", (*_TF, *_BACKEND, *_OPS, *_NUMPY, *_PYTHON), "cos"),
    ("tanh", (*_TF, *_NN, *_BACKEND, *_OPS, *_NUMPY, *_ACTIVATIONS, *_JAX_NN, *_PYTHON), "tanh"),
    ("erf", (*_MATH, *_OPS), "erf"),
    ("sign", (*_TF, *_BACKEND, *_OPS, *_NUMPY), "sign"),
    ("floor", (*_TF, *_OPS, *_NUMPY), "floor"),
    ("ceil", (*_MATH, *_OPS, *_NUMPY), "ceil"),
    ("round", (*_TF, *_BACKEND, *_OPS, *_NUMPY), "round"),
    ("sigmoid", (*_TF, *_NN, *_BACKEND, *_ACTIVATIONS, *_OPS, *_JAX_NN), "sigmoid"),
    ("softsign", (*_MATH, *_NN, *_BACKEND, *_ACTIVATIONS, *_OPS, *_JAX_NN), "softsign"),
    ("softplus", (*_MATH, *_NN, *_BACKEND, *_ACTIVATIONS, *_OPS, *_JAX_NN), "softplus"),
    ("relu", (*_NN, *_BACKEND, *_ACTIVATIONS, *_OPS, *_JAX_NN), "relu"),
    ("relu6", (*_NN, *_ACTIVATIONS, *_OPS, *_JAX_NN), "relu6"),
    ("elu", (*_NN, *_BACKEND, *_ACTIVATIONS, *_OPS, *_JAX_NN), "elu"),
    ("selu", (*_NN, *_ACTIVATIONS, *_OPS, *_JAX_NN), "selu"),
    ("silu", (*_NN, *_ACTIVATIONS, *_OPS, *_JAX_NN), "silu"),
    ("silu", (*_NN, *_ACTIVATIONS, *_OPS, *_JAX_NN), "swish"),
    ("gelu", (*_NN, *_ACTIVATIONS), "gelu"),
    ("gelu_tanh", (*_OPS, *_JAX_NN), "gelu"),  # these approximate unless they are told otherwise
    ("logical_not", (*_TF, *_OPS, *_NUMPY), "logical_not"),
)

# Functions of two arguments, with the parameter names in each module; numpy's are positional-only.
_XY, _X1X2, _NAMELESS = ("x", "y"), ("x1", "x2"), ("", "")
_BINARY: tuple[tuple[str, tuple[str, ...], str, tuple[str, ...]], ...] = (
    *(
        row
        for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum")
        for row in (
            (name, _TF, name, _XY),
            (name, _OPS, name, _X1X2),
            (name, _NUMPY, name, _NAMELESS),
        )
    ),
    ("maximum", _BACKEND, "maximum", _XY),
    ("minimum", _BACKEND, "minimum", _XY),
    ("power", _TF, "pow", _XY),
    ("power", _BACKEND, "pow", ("x", "a")),
    ("power", _OPS, "power", _X1X2),
    ("power", _NUMPY, "power", _NAMELESS),
    *(
        row
        for name in ("less", "less_equal", "equal", "not_equal", "greater", "greater_equal")
        for row in (
            (name, _TF, name, _XY),
            (name, _BACKEND, name, _XY),
            (name, _OPS, name, _X1X2),
            (name, _NUMPY, name, _NAMELESS),
        )
    ),
    *(
        row
        for name in ("logical_and", "logical_or")
        for row in ((name, _TF, name, _XY), (name, _OPS, name, _X1X2), (name, _NUMPY, name, _NAMELESS))
    ),
)

_OTHERS: tuple[tuple[str, tuple[str, ...], Function], ...] = (
    ("clip_by_value", _TENSORFLOW, Function("clip", ("t", "clip_value_min", "clip_value_max"))),
    ("clip", _BACKEND, Function("clip", ("x", "min_value", "max_value"))),
    ("clip", _OPS, Function("clip", ("x", "x_min", "x_max"))),
    ("clip", ("np", "numpy"), Function("clip", ("a", "a_min", "a_max"))),
    ("clip", ("jnp", "jax.numpy"), Function("clip", ("", "", ""))),  # the names changed
    ("where", _TENSORFLOW, Function("where", ("condition", "x", "y"))),
    ("where", _OPS, Function("where", ("condition", "x1", "x2"))),
    ("where", _NUMPY, Function("where", ("", "", ""))),
    ("leaky_relu", _NN, Function("leaky_relu", ("features", "alpha"), (0.2,))),
    ("leaky_relu", (*_ACTIVATIONS, *_OPS), Function("leaky_relu", ("x", "negative_slope"), (0.2,))),
)


def _functions() -> Iterator[tuple[str, Function]]:
    yield "abs", Function("abs")
    for operation, modules, name in _UNARY:
        yield from ((f"{module}.{name}", Function(operation)) for module in modules)
    for operation, modules, name, parameters in _BINARY:
        yield from ((f"{module}.{name}", Function(operation, parameters)) for module in modules)
    for name, modules, function in _OTHERS:
        yield from ((f"{module}.{name}", function) for module in modules)


FUNCTIONS: Mapping[str, Function] = dict(_functions())

CONSTANTS: Mapping[str, float] = {
    f"{module}.{name}": value
    for module, (name, value) in product(
        ("math", "np", "numpy", "jnp", "jax.numpy"), {"pi": math.pi, "e": math.e}.items()
    )
}


def _named(operation: str) -> frozenset[str]:
    return frozenset(name for name, function in FUNCTIONS.items() if function.operation == operation)


ABSOLUTE = _named("abs")
SIGMOID = _named("sigmoid")
SOFTSIGN = _named("softsign")
