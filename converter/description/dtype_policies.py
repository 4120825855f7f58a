"""Reads the dtype policy of a layer, and refuses quantized layers."""

from collections.abc import Iterator, Mapping

from converter.description.layer_entry import is_built_in
from converter.description.supported_layers import POLICIES
from converter.dtypes import INTEGERS
from converter.errors import UnsupportedError
from converter.graph import Layer

_PLAIN = frozenset({"DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1"})  # the last two are of Keras 2
_NAMES = POLICIES | INTEGERS | {"bool", "string"}
_BYTES = frozenset({"int8", "uint8"})


def read_policy(dtype: object, where: str) -> str:
    """Read the name of a dtype policy, which is stored as a string or as an object.

    Raises:
        UnsupportedError: The policy is not supported, or the layer is quantized.
    """
    mode = next(_modes(dtype), None)
    if mode is not None:
        raise _quantized(mode, where)
    name = dtype
    if isinstance(dtype, Mapping):
        class_name, config = dtype.get("class_name"), dtype.get("config")
        if str(class_name) not in _PLAIN or not is_built_in(dtype) or not isinstance(config, Mapping):
            raise UnsupportedError(
                f"has a dtype policy of class {class_name!r:.60}, which is not known",
                where=where,
                hint="Save the model with one policy for each layer, such as float32 or mixed_float16.",
            )
        name = config.get("name")
    if name is None:
        return "float32"
    if not isinstance(name, str) or name not in _NAMES:
        raise UnsupportedError(f"has dtype policy {name!r:.60}, which is not known", where=where)
    return name


def require_not_quantized(layer: Layer) -> None:
    """Check the dtypes of a layer's weights: Keras writes no policy for a quantized attention layer.

    Raises:
        UnsupportedError: A weight is stored as 8-bit integers.
    """
    mode = next((each.dtype.name for each in layer.weights.values() if each.dtype.name in _BYTES), None)
    if mode is not None:
        raise _quantized(mode, f"layer '{layer.name}'")


def _quantized(mode: str, where: str) -> UnsupportedError:
    return UnsupportedError(
        f"is quantized to {mode:.20}, which is not supported",
        where=where,
        hint="Convert the float model as it was before quantize(), and quantize what is written.",
    )


def _modes(dtype: object) -> Iterator[str]:
    """The quantization modes in a policy or a map of policies: ``int8``, ``int4``, ``gptq``."""
    if isinstance(dtype, str):
        mode, quantized, _ = dtype.partition("_from_")
        if quantized:
            yield mode.partition("/")[0]
    elif isinstance(dtype, Mapping):
        if isinstance(dtype.get("mode"), str):
            yield str(dtype["mode"]).partition("/")[0]
        for value in dtype.values():
            yield from _modes(value)
