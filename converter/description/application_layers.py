"""Layer classes that only the models of ``keras.applications`` have, read as the plain layers they amount to.

Keras keeps them out of ``keras.layers``; a ``.keras`` file states their module, the legacy format just the name.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from converter.archive import Weight
from converter.description.layer_keys import LAYER_KEYS
from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Layer

_OPTIONS = {
    "LayerScale": {"init_values", "projection_dim"},
    "StochasticDepth": {"drop_path_rate"},
}
_MODULES = ("keras.src.applications.", "keras.applications.", "tf_keras.src.applications.")


def is_application_layer(class_name: str, entry: Mapping[str, Any]) -> bool:
    """Whether an entry means such a class: by its module where there is one, by its options, by its name."""
    config = entry.get("config")
    known = isinstance(config, Mapping) and _OPTIONS.get(class_name) == set(config) - LAYER_KEYS
    return known and str(entry.get("module", _MODULES[0])).startswith(_MODULES)


def read_application_layer(class_name: str, name: str, policy: str, weights: Mapping[str, Weight]) -> Layer:
    """The plain layer: ``x * gamma`` for LayerScale; nothing for StochasticDepth, which only training applies.

    Neither knows masks, so both end one.

    Args:
        class_name: One for which ``is_application_layer`` holds.
        name: Of the layer in the graph.
        policy: Its dtype policy.
        weights: What is stored for it, by path.

    Raises:
        UnsafeFileError: LayerScale does not have its one weight.
        UnsupportedError: That holds NaN or infinity.
    """
    if class_name == "StochasticDepth":
        return Layer(name, "Dropout", {"rate": 0.0}, policy, stops_mask=True)
    shapes = [weight.shape for weight in weights.values()]
    if len(shapes) != 1 or len(shapes[0]) != 1:
        raise UnsafeFileError(
            f"stores weights of shapes {shapes}, not one per channel", where=f"layer '{name}'"
        )
    gamma = next(iter(weights.values())).read().astype(np.float64)
    if not np.isfinite(gamma).all():
        raise UnsupportedError("its scale holds NaN or infinity", where=f"layer '{name}'")
    return Layer(name, "Rescaling", {"scale": gamma.tolist(), "offset": 0.0}, policy, stops_mask=True)
