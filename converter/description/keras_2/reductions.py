"""Translates TensorFlow functions that work along axes: sums, means, norms, softmax."""

from collections.abc import Mapping

from converter.description.keras_2.elementwise import Reader
from converter.description.keras_2.operation import Operation, axes, flag, integer, op, require_one_of
from converter.graph import Argument

_REDUCTIONS = {
    **{f"reduce_{name}": name for name in "all any logsumexp max mean min prod std sum".split()},
    "reduce_variance": "var",
}


def _reduction(function: str) -> Reader:
    def read(
        x: Argument,
        axis: Argument = None,
        keepdims: Argument = False,  # noqa: FBT002  as TensorFlow has it
        reduction_indices: Argument = None,
        keep_dims: Argument = None,
    ) -> Operation:
        along = axis if reduction_indices is None else reduction_indices
        kept = flag(keepdims if keep_dims is None else keep_dims, "keepdims")
        return op(function, x, axis=axes(along), keepdims=kept)

    return read


def _euclidean_norm(x: Argument, axis: Argument = None, keepdims: Argument = False) -> Operation:  # noqa: FBT002
    """sqrt(sum(x^2))."""
    return op("sqrt", op("sum", op("square", x), axis=axes(axis), keepdims=flag(keepdims, "keepdims")))


def _norm(
    tensor: Argument,
    ord: Argument = "euclidean",  # noqa: A002  as TensorFlow has it
    axis: Argument = None,
    keepdims: Argument = False,  # noqa: FBT002  likewise
) -> Operation:
    require_one_of(ord, ("euclidean",) if isinstance(axis, list) else ("euclidean", 2), "ord")
    return _euclidean_norm(tensor, axis, keepdims)


def _l2_normalize(x: Argument, axis: Argument = None, epsilon: Argument = 1e-12) -> Operation:
    """As TensorFlow multiplies it out: x / sqrt(max(sum(x^2), epsilon))."""
    total = op("sum", op("square", x), axis=axes(axis), keepdims=True)
    return op("multiply", x, op("rsqrt", op("maximum", total, epsilon)))


def _index_of(*, largest: bool) -> Reader:
    """The first index of an extreme: along the first axis and as int64 if nothing else is said.

    ``keras.ops.argmax`` is not used: it orders -0 before 0, and the operation that distinguishes them has no
    counterpart in ONNX.
    """

    def read(
        x: Argument,
        axis: Argument = None,
        output_type: Argument = "int64",
        dimension: Argument = None,
    ) -> Operation:
        require_one_of(output_type, ("int32", "int64"), "output_type")
        along = next((given for given in (axis, dimension) if given is not None), 0)
        ordered = x if largest else op("negative", x)
        if integer(along, "axis") != -1:
            ordered = op("moveaxis", ordered, source=along, destination=-1)
        index = op("squeeze", op("top_k", ordered, k=1, same_dtype=False, output=1), axis=-1)
        return op("cast", index, dtype=output_type, same_dtype=False)

    return read


def _softmax(function: str) -> Reader:
    def read(logits: Argument, axis: Argument = None, dim: Argument = None) -> Operation:
        along = next((given for given in (axis, dim) if given is not None), -1)
        return op(function, logits, axis=integer(along, "axis"))

    return read


def _cumsum(
    x: Argument,
    axis: Argument = 0,
    exclusive: Argument = False,  # noqa: FBT002  as TensorFlow has it
    reverse: Argument = False,  # noqa: FBT002  likewise
) -> Operation:
    require_one_of(exclusive, (False,), "exclusive")
    along = integer(axis, "axis")
    if not flag(reverse, "reverse"):
        return op("cumsum", x, axis=along)
    return op("flip", op("cumsum", op("flip", x, axis=along), axis=along), axis=along)


REDUCTIONS: Mapping[str, Reader] = {
    **{name: _reduction(function) for name, function in _REDUCTIONS.items()},
    **{name: _softmax(name) for name in ("softmax", "log_softmax")},
    "argmax": _index_of(largest=True),
    "argmin": _index_of(largest=False),
    "cumsum": _cumsum,
    "l2_normalize": _l2_normalize,
    "norm": _norm,
    "reduce_euclidean_norm": _euclidean_norm,
}
