"""ONNX: tf2onnx on a named TensorFlow function, then our own tidying, naming and checking."""

import json
from collections.abc import Mapping, MutableSequence
from pathlib import Path
from typing import Any

import keras
import onnx
import tensorflow as tf
import tf2onnx

from converter import __version__
from converter.errors import UnsupportedError
from converter.exporters.contract import PROVENANCE_KEY, ExportOptions, Json
from converter.exporters.kept_transposes import kept_transposes
from converter.exporters.onnx_canonical import canonicalise
from converter.exporters.onnx_erfc import replace_erfc
from converter.exporters.onnx_file import write_onnx
from converter.exporters.onnx_groups import set_groups
from converter.exporters.onnx_means import split_means
from converter.exporters.onnx_rewrites import simplify
from converter.exporters.origin import layer_of
from converter.exporters.serving_function import serving_function, with_placeholder_names
from converter.exporters.true_choice import true_choice
from converter.exporters.withheld import large_variables, put_stand_ins
from converter.exporters.without_xla import without_xla
from converter.signature import Signature, TensorSpec

IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8}
"""The IR version that was current when each opset came out, so that runtimes of that day load the file."""

BATCH = "batch"

ValueInfos = MutableSequence[onnx.ValueInfoProto]


def export(
    model: keras.Model,
    signature: Signature,
    path: Path,
    provenance: Mapping[str, Json],
    options: ExportOptions,
) -> None:
    """Write an ONNX file; see ``contract.Exporter``.

    The bytes depend on the model, the signature, the provenance and the options alone: nodes stand in a fixed
    order under names counted per operator, and nothing of the process enters.

    Raises:
        UnsupportedError: An operation of the model has no ONNX counterpart at this opset, or it would have to
            compute in bfloat16.
    """
    _require_known_types(model)
    variables = {f"weight_{i}": variable for i, variable in enumerate(large_variables(model))}
    graph = _convert(model, signature, variables, options.opset).graph
    proto = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", options.opset)],
        ir_version=IR_VERSIONS[options.opset],
        producer_name="plainserve",
        producer_version=__version__,
    )
    replace_erfc(proto)
    require_known_operators(proto.graph, options.opset, model)
    set_groups(proto)
    simplify(proto)
    split_means(proto)
    weights = put_stand_ins(proto.graph, variables)
    canonicalise(
        proto.graph, [spec.name for spec in signature.inputs], [spec.name for spec in signature.outputs]
    )
    _replace(proto.graph.input, [_value_info(spec) for spec in signature.inputs])
    _replace(proto.graph.output, [_value_info(spec) for spec in signature.outputs])
    onnx.helper.set_model_props(proto, {PROVENANCE_KEY: json.dumps(provenance, sort_keys=True)})
    write_onnx(proto, weights, path)


def _require_known_types(model: keras.Model) -> None:
    """Refuse bfloat16: up to opset 18 neither convolutions nor onnxruntime's kernels for the CPU know it."""
    for layer in model.layers:
        if layer.compute_dtype == "bfloat16":
            raise UnsupportedError(
                "computes in bfloat16, which ONNX runtimes do not",
                where=f"layer '{layer.name}'",
                hint="Choose --to saved_model, or save the model with the dtype policy float32 or float16.",
            )


def require_known_operators(graph: onnx.GraphProto, opset: int, model: keras.Model) -> None:
    """Refuse what tf2onnx could not convert: it leaves such a TensorFlow operation in the graph.

    Raises:
        UnsupportedError: An operator, here or in a subgraph, is not in the opset.
    """
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or not _has_schema(node.op_type, opset):
            raise UnsupportedError(
                f"operation {node.op_type!r} has no ONNX counterpart in opset {opset}",
                where=layer_of(node.name, model),
                hint="Choose another format with --to, or replace the layer.",
            )
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                require_known_operators(attribute.g, opset, model)


def _has_schema(op_type: str, opset: int) -> bool:
    try:
        return not onnx.defs.get_schema(op_type, opset, "").deprecated
    except onnx.defs.SchemaError:
        return False


def _convert(
    model: keras.Model, signature: Signature, withheld: Mapping[str, Any], opset: int
) -> onnx.ModelProto:
    """Run tf2onnx under placeholder names, which are legal in TensorFlow whatever the true names are."""
    placeholders = with_placeholder_names(signature)
    serve, specs = serving_function(model, placeholders, withheld)
    try:
        with without_xla(), kept_transposes(), true_choice():
            proto, _ = tf2onnx.convert.from_function(serve, specs, opset=opset)
    except (KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UnsupportedError(
            f"tf2onnx cannot convert the model: {reason}",
            hint="Choose another format with --to, or another --opset.",
        ) from error
    traced = serve.get_concrete_function(*specs).graph
    _keep_captured(proto.graph, traced, {spec.name for spec in specs})
    weights = [value for value in proto.graph.input if value.name in withheld]
    _restore_order(proto.graph.input, placeholders.inputs)
    proto.graph.input.extend(weights)
    _restore_order(proto.graph.output, placeholders.outputs)
    return proto


def _keep_captured(graph: onnx.GraphProto, traced: tf.Graph, named: set[str]) -> None:
    """Make initializers of constants that tf2onnx takes for inputs.

    Keras holds the mean of a ``Normalization`` in a plain tensor, not in a weight; the function captures it.
    """
    captured = {inside.name: outside for outside, inside in traced.captures}
    for value in graph.input:
        if value.name not in named:
            array = captured[value.name].numpy()
            graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))


def _restore_order(values: ValueInfos, specs: tuple[TensorSpec, ...]) -> None:
    """Put in order what tf2onnx orders as it likes, and put back an input that it dropped as unread."""
    found = {value.name: value for value in values}
    _replace(values, [found.get(spec.name) or _value_info(spec) for spec in specs])


def _replace(values: ValueInfos, new: list[onnx.ValueInfoProto]) -> None:
    del values[:]
    values.extend(new)


def _value_info(spec: TensorSpec) -> onnx.ValueInfoProto:
    """Declare an input or output: axis 0 is ``batch`` where free, any other free axis ``<name>_dim_<i>``."""
    free = [BATCH if axis == 0 else f"{spec.name}_dim_{axis}" for axis in range(len(spec.shape))]
    shape = [name if size is None else size for size, name in zip(spec.shape, free, strict=True)]
    return onnx.helper.make_tensor_value_info(spec.name, _element_type(spec.dtype), shape)


def _element_type(dtype: str) -> int:
    return int(
        onnx.TensorProto.DataType.Value({"float32": "FLOAT", "float64": "DOUBLE"}.get(dtype, dtype.upper()))
    )
