"""Chooses the hint of the error for an unknown layer, from what the layer stores."""

from collections.abc import Mapping
from typing import Any

from converter.activations import ACTIVATIONS, Activation
from converter.archive import Weight
from converter.description.layer_keys import LAYER_KEYS, plain_array
from converter.description.option_hints import activation_or_code_hint, custom_objects_hint
from converter.description.stated_activation import StatedActivation
from converter.description.storage_options import InputShape, is_storage_option, require_agreement
from converter.errors import ConversionError

_PREPARES_DATA = "Leave it out and apply it to the data before: save a model of the layers behind it."
_REBUILD = (
    "Rebuild the model without it, from layers that are supported, with the same weights, and save that."
)
_ON_DATA = frozenset(
    """
    TextVectorization StringLookup IntegerLookup Hashing HashedCrossing FeatureSpace MelSpectrogram
    STFTSpectrogram Equalization AutoContrast Solarization RandomCrop MaxNumBoundingBoxes Pipeline
    """.split()
)


def hint_for_class(
    config: Mapping[str, Any], weights: Mapping[str, Weight], shape: InputShape | None, where: str
) -> str:
    """Suggest to state a formula if the formula uses everything that the class stores; else to give its code."""
    options = {key: value for key, value in config.items() if key not in LAYER_KEYS}
    own = {key: plain_array(value) for key, value in options.items() if not is_storage_option(key)}
    if not options and not weights:
        return activation_or_code_hint(where)
    kind = _kind(set(own), partly=bool(weights))
    try:
        require_agreement({key: options[key] for key in options.keys() - own.keys()}, weights, shape, where)
        fits = kind is not None and StatedActivation(kind, {}).recognise(config, weights, shape, where)
    except ConversionError:
        fits = False
    if kind is None or not fits or any(value is None for value in own.values()):
        return custom_objects_hint()
    if weights or any(isinstance(value, list) for value in own.values()):
        return activation_or_code_hint(where, kind.key)
    numbers = ",".join(f"{name}={_shown(own[name])}" for name in kind.parameters)
    return activation_or_code_hint(where, f"{kind.key}:{numbers}")


def hint_for_keras_layer(class_name: str) -> str:
    """The hint for an unsupported layer of Keras's own."""
    return _PREPARES_DATA if class_name in _ON_DATA else _REBUILD


def _kind(options: set[str], *, partly: bool) -> type[Activation] | None:
    """The formula whose parameters are a class's options: all of them, or some if the others are learned."""
    for kind in ACTIVATIONS.values():
        names = set(kind.parameters)
        if options and (options == names or (partly and options < names)):
            return kind
    return None


def _shown(value: float) -> str:
    """A number as short as it can be typed."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
