"""Reads layers that only models of ``keras.applications`` have, as equivalent built-in layers.

They are not in ``keras.layers``. A ``.keras`` file states their module, the legacy format only the class name.
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
    """Whether an entry refers to such a class, judged by its name, its options and its module if it has one."""
    config = entry.get("config")
    known = isinstance(config, Mapping) and _OPTIONS.get(class_name) == set(config) - LAYER_KEYS
    return known and str(entry.get("module", _MODULES[0])).startswith(_MODULES)


def read_application_layer(class_name: str, name: str, policy: str, weights: Mapping[str, Weight]) -> Layer:
    """The equivalent layer: ``x * gamma`` for LayerScale; the identity for StochasticDepth, used by training only.

    Neither supports masks, so both end a mask.

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
