"""The spellings under which users call the functions that the normal form knows.

A name is believed: the file does not hold the module that it stands for. Only names whose module says what
they are stand here (``K.sigmoid``, not a bare ``sigmoid``, which may be anyone's); ``abs`` is Python's own.
"""

from itertools import product

_TENSORFLOW = ("tf", "tensorflow")
_KERAS = ("keras", "tf.keras", "tensorflow.keras")
_NUMPY = ("np", "numpy", "jnp", "jax.numpy", "tf.experimental.numpy")
_BACKEND = ("K", "backend", *(f"{keras}.backend" for keras in _KERAS))
_OPS = ("ops", *(f"{keras}.ops" for keras in _KERAS))
_ACTIVATIONS = ("activations", *(f"{keras}.activations" for keras in _KERAS))
_TENSORFLOW_MATH = tuple(f"{tensorflow}.math" for tensorflow in _TENSORFLOW)
_TENSORFLOW_NN = tuple(f"{tensorflow}.nn" for tensorflow in _TENSORFLOW)


def _spelled(modules: tuple[str, ...], *functions: str) -> frozenset[str]:
    return frozenset(f"{module}.{function}" for module, function in product(modules, functions))


ABSOLUTE = (
    frozenset({"abs"})
    | _spelled((*_TENSORFLOW, *_TENSORFLOW_MATH, *_BACKEND), "abs")
    | _spelled((*_NUMPY, *_OPS), "abs", "absolute")
)

SIGMOID = _spelled(
    (*_TENSORFLOW, *_TENSORFLOW_MATH, *_TENSORFLOW_NN, *_BACKEND, *_ACTIVATIONS, *_OPS, "jax.nn"), "sigmoid"
)

SOFTSIGN = _spelled(
    (*_TENSORFLOW_MATH, *_TENSORFLOW_NN, *_BACKEND, *_ACTIVATIONS, *_OPS, "jax.nn"), "softsign"
)
