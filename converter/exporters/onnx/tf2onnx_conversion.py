"""Converts one TensorFlow function to an ONNX graph with tf2onnx."""

from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import tensorflow as tf
import tf2onnx

from converter.errors import UnsupportedError
from converter.exporters.onnx.patches.kept_transposes import kept_transposes
from converter.exporters.onnx.patches.reverse import slice_backwards
from converter.exporters.onnx.patches.where import where_as_where
from converter.exporters.onnx.patches.without_xla import without_xla
from converter.signature import TensorSpec

BATCH = "batch"

_HANDLERS: dict[str, tuple[Any, list[Any]]] = {
    "ReverseV2": (slice_backwards, [])
}  # copied for each call: tf2onnx adds its own handlers

ValueInfos = MutableSequence[onnx.ValueInfoProto]


def convert_function(
    function: Any,  # noqa: ANN401  a tf.function
    specs: list[tf.TensorSpec],
    outputs: Sequence[str],
    opset: int,
) -> onnx.GraphProto:
    """Convert a function.

    Args:
        function: Takes positional tensors, and returns a dictionary.
        specs: Specification of its arguments, with names that are legal in TensorFlow.
        outputs: Keys of the dictionary, which are legal names in TensorFlow.
        opset: 13 to 18.

    Returns:
        A graph with inputs and outputs of these names in this order; an argument that is not read is no input.

    Raises:
        UnsupportedError: tf2onnx cannot convert it.
    """
    with conversion_errors(), without_xla(), kept_transposes(), where_as_where():
        proto, _ = tf2onnx.convert.from_function(
            function, specs, opset=opset, custom_op_handlers=dict(_HANDLERS)
        )
    graph = proto.graph
    names = [spec.name for spec in specs]
    _keep_captured(graph, function.get_concrete_function(*specs).graph, set(names))
    arguments, results = _by_name(graph.input), _by_name(graph.output)
    replace_values(graph.input, [arguments[name] for name in names if name in arguments])
    replace_values(graph.output, [results[name] for name in outputs])
    return graph


@contextmanager
def conversion_errors() -> Iterator[None]:
    """Translate the exceptions of tracing and of tf2onnx.

    Raises:
        UnsupportedError: With the first line of the reason.
    """
    try:
        yield
    except (KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UnsupportedError(
            f"tf2onnx cannot convert the model: {reason}",
            hint="Choose another format with --to, or another --opset.",
        ) from error


def restore_unread(graph: onnx.GraphProto, specs: Sequence[TensorSpec]) -> None:
    """Put these inputs first, in this order, and add those that tf2onnx dropped because nothing reads them."""
    found = _by_name(graph.input)
    named = [found.pop(spec.name, None) or value_info(spec) for spec in specs]
    replace_values(graph.input, [*named, *found.values()])


def replace_values(values: ValueInfos, new: Sequence[onnx.ValueInfoProto]) -> None:
    """Replace all inputs, or all outputs, of a graph."""
    del values[:]
    values.extend(new)


def value_info(spec: TensorSpec) -> onnx.ValueInfoProto:
    """Declare an input or output: axis 0 is ``batch`` where free, any other free axis ``<name>_dim_<i>``."""
    free = [BATCH if axis == 0 else f"{spec.name}_dim_{axis}" for axis in range(len(spec.shape))]
    shape = [name if size is None else size for size, name in zip(spec.shape, free, strict=True)]
    return onnx.helper.make_tensor_value_info(spec.name, _element_type(spec.dtype), shape)


def _element_type(dtype: str) -> int:
    return int(
        onnx.TensorProto.DataType.Value({"float32": "FLOAT", "float64": "DOUBLE"}.get(dtype, dtype.upper()))
    )


def _by_name(values: ValueInfos) -> dict[str, onnx.ValueInfoProto]:
    """Copies by name: the originals are freed when the list of the graph is emptied."""
    return {value.name: onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in values}


def _keep_captured(graph: onnx.GraphProto, traced: tf.Graph, named: set[str]) -> None:
    """Make initializers of captured constants, which tf2onnx treats as inputs.

    Keras keeps the mean of a ``Normalization`` in a plain tensor, not in a weight; the function captures it.
    """
    captured = {inside.name: outside for outside, inside in traced.captures}
    for value in graph.input:
        if value.name in named:
            continue
        if value.name not in captured:
            raise UnsupportedError(
                f"tf2onnx cannot convert the model: it leaves out what makes {value.name}",
                hint="Choose another format with --to, or fix free sizes with --input-shape.",
            )
        graph.initializer.append(onnx.numpy_helper.from_array(captured[value.name].numpy(), value.name))
