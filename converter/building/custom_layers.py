"""Keras layers that run the user's own classes and functions."""

import inspect
import re
from dataclasses import dataclass
from typing import Any

import keras

from converter.building.keras_errors import first_line
from converter.errors import UnsupportedError
from converter.exporters.serving_function import serving_function, with_placeholder_names
from converter.signature import Signature
from converter.user_code import UserCode

TRACEABLE = "Write it with keras.ops or TensorFlow's functions: numpy and Python branches need values."
"""The hint for code that cannot be traced."""


@dataclass(frozen=True, eq=False)
class AsWritten:
    """An activation of the reference that is computed by the user's own code, traceable or not."""

    users: UserCode

    def instance(self, **common: Any) -> keras.layers.Layer:  # noqa: ANN401  arguments of a layer
        """A layer that runs the user's code."""
        return eager_layer(self.users, **common)


def custom_layer(users: UserCode, **common: Any) -> keras.layers.Layer:  # noqa: ANN401  arguments of a layer
    """Restore the user's class from its stored options, or make a layer around the user's function.

    Raises:
        UnsupportedError: The class refuses the options that are stored for it, or is no Keras layer.
    """
    if users.serialized.config is None:
        code = users.code() if inspect.isclass(users.code) else users.code
        if users.arguments_of_lambda is not None:  # it may change the shape, and stops masks
            return keras.layers.Lambda(code, arguments=dict(users.arguments_of_lambda), **common)
        return keras.layers.Activation(code, **common)
    made = restored(users, **common)
    if not isinstance(made, keras.layers.Layer):
        raise UnsupportedError(
            f"your class '{users.serialized.name}' makes {type(made).__name__}, no Keras layer"
        )
    return made


def restored(users: UserCode, **common: Any) -> Any:  # noqa: ANN401  the user's object
    """Restore the user's class from its stored options.

    Raises:
        UnsupportedError: The class refuses them.
    """
    own = {**(users.serialized.config or {}), **common}
    try:
        with keras.saving.custom_object_scope(dict(users.scope)):
            return users.code.from_config(own)
    except Exception as error:
        raise UnsupportedError(
            f"your class '{users.serialized.name}' refuses its stored options: {error}",
            hint="Its from_config, or its constructor, must take what its get_config wrote.",
        ) from error


def eager_layer(users: UserCode, **common: Any) -> keras.layers.Layer:  # noqa: ANN401  arguments of a layer
    """Make a layer around code that need not be traceable, such as a function that uses numpy.

    The code stays in a closure: as an attribute, Keras would track its weights, which the model file would then have
    to fill.
    """
    code = users.code if users.serialized.config is None else restored(users, **common)
    weights = users.serialized.weights

    class Wrapped(keras.layers.Layer):
        def build(self, input_shape: tuple[int | None, ...]) -> None:
            if weights and not getattr(code, "built", True):
                code.build(input_shape)
            if weights:
                code.load_own_variables(
                    {path.rpartition("/")[2]: each.read() for path, each in weights.items()}
                )

        def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            return keras.KerasTensor(inputs.shape, self.compute_dtype)

        def call(self, inputs: Any) -> Any:  # noqa: ANN401  tensors
            return keras.ops.convert_to_tensor(code(inputs))

    made = Wrapped(**common)
    made.supports_masking = bool(getattr(code, "supports_masking", False))
    return made


def require_traceable(model: keras.Model, signature: Signature) -> None:
    """Check that a model that runs the user's code can be traced, as every exporter does.

    Raises:
        UnsupportedError: The code needs values, or raises an exception.
    """
    serve, specs = serving_function(model, with_placeholder_names(signature))
    try:
        serve.get_concrete_function(*specs)
    except Exception as error:
        called = re.search(r"calling (\w+)\.call\(\)", str(error))
        raise UnsupportedError(
            f"your {called[1] if called else 'code'} cannot be traced: {first_line(error)}", hint=TRACEABLE
        ) from error
