"""Whether the user's code computes the formula that its name stands for."""

import inspect

import keras
import numpy as np

from converter.activations import Activation
from converter.building.custom_layers import eager_layer
from converter.errors import ConversionError
from converter.user_code import UserCode

_POINTS = np.linspace(-30.0, 30.0, 241)  # in units of 1 / scale, where every formula of ours bends


def computes_formula(users: UserCode, activation: Activation, policy: str) -> bool:
    """Whether the user's code computes a formula, and handles masks so that the formula can replace it.

    In doubt the answer is no: then the code itself is traced, which is correct too.
    """
    if not _is_elementwise(users):
        return False
    channels = max((len(v) for v in vars(activation).values() if isinstance(v, tuple)), default=1)
    dtype = "float32" if "float16" in policy else policy
    x = np.repeat(_POINTS[:, None] / activation.scale, channels, axis=1).astype(dtype)
    try:
        answer = np.asarray(eager_layer(users, dtype=dtype)(x))
    except ConversionError:
        raise
    except Exception:  # noqa: BLE001  the user's code may want another rank, or anything
        return False
    wanted = activation.evaluate(x.astype(np.float64))
    # As close as an artefact must be to its reference: a formula that is further off would be refused later.
    return answer.shape == x.shape and np.allclose(answer, wanted, rtol=1e-4, atol=1e-5)


def _is_elementwise(users: UserCode) -> bool:
    """Whether the signature of the user's class is that of a function of one tensor."""
    if users.serialized.config is None:
        return True
    call = getattr(users.code, "call", None)
    if call is None or getattr(users.code, "compute_mask", None) is not keras.layers.Layer.compute_mask:
        return False
    plain = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    taken = [each for each in inspect.signature(call).parameters.values() if each.kind in plain]
    return len(taken) == 2  # self and the input
