"""Removes sizes of tensors that no operation uses; ``tf.reshape(x, [tf.shape(x)[0], 12])`` is read without them."""

from collections.abc import Iterable, Mapping

from converter.description.block import Block
from converter.errors import UnsupportedError
from converter.graph import Call, Layer, Ref

_SIZES = "ops.shape"


def without_unused_sizes(
    layers: Mapping[str, Layer | Block], calls: list[Call], outputs: Iterable[Ref], prefix: str
) -> list[Call]:
    """The calls without sizes of tensors, and without operations on sizes whose results are not used.

    Raises:
        UnsupportedError: A size is used.
    """
    kinds = {name: layer.kind for name, layer in layers.items() if isinstance(layer, Layer)}
    if _SIZES not in kinds.values():
        return calls
    kept = list(calls)
    while True:
        taken = {(ref.layer, ref.call) for call in kept for ref in call.sources}
        taken |= {(ref.layer, ref.call) for ref in outputs}
        live = [
            call
            for call in kept
            if (call.layer, call.index) in taken or not kinds.get(call.layer, "").startswith("ops.")
        ]
        if len(live) == len(kept):
            break
        kept = live
    sizes = next((call for call in kept if kinds.get(call.layer) == _SIZES), None)
    if sizes is not None:
        raise UnsupportedError(
            "computes with the size of a tensor, which is not known",
            where=f"layer '{prefix}{sizes.layer}'",
            hint="Write the size as a number where it is fixed, and save the model again.",
        )
    return kept
