"""Writes an ONNX file: tf2onnx on a named TensorFlow function, then corrections, canonical names and checks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import onnx
import tensorflow as tf

from converter.errors import UnsupportedError
from converter.exporters.contract import PROVENANCE_KEY, ExportOptions, Json
from converter.exporters.layer_of_operation import layer_of
from converter.exporters.onnx.canonical import canonicalise
from converter.exporters.onnx.erfc import replace_erfc
from converter.exporters.onnx.file_writer import write_onnx
from converter.exporters.onnx.grouped_convolutions import set_groups
from converter.exporters.onnx.large_initializers import add_placeholders, large_variables
from converter.exporters.onnx.recurrent import insert_recurrences, is_extractable
from converter.exporters.onnx.reduce_mean import split_means
from converter.exporters.onnx.rewrites import simplify
from converter.exporters.onnx.subgraph_outputs import separate_subgraph_outputs
from converter.exporters.onnx.tf2onnx_conversion import (
    conversion_errors,
    convert_function,
    replace_values,
    restore_unread,
    value_info,
)
from converter.exporters.recurrence import Recurrence
from converter.exporters.recurrence_extraction import extract_recurrences
from converter.exporters.serving_function import serving_function, with_placeholder_names
from converter.signature import Signature, TensorSpec
from plainserve import __version__

IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8}
"""The IR version of the time of each opset, so that runtimes of that time load the file."""


def export(
    model: keras.Model,
    signature: Signature,
    path: Path,
    provenance: Mapping[str, Json],
    options: ExportOptions,
) -> None:
    """Write an ONNX file; see ``contract.Exporter``.

    The bytes depend only on the model, the signature, the provenance and the options: nodes have a fixed order, and
    names counted per operator.

    Raises:
        UnsupportedError: An operation of the model has no ONNX counterpart at this opset, or it would have to
            compute in bfloat16.
    """
    _require_known_types(model)
    variables = {f"weight_{i}": variable for i, variable in enumerate(large_variables(model))}
    graph, recurrences = _convert(model, signature, variables, options.opset)

    def step(function: Any, specs: list[tf.TensorSpec], outputs: list[str]) -> onnx.GraphProto:  # noqa: ANN401
        body = convert_function(function, specs, outputs, options.opset)
        restore_unread(body, [TensorSpec(s.name, tuple(s.shape), s.dtype.name) for s in specs])
        return _corrected(body, options.opset, model).graph

    weights = insert_recurrences(graph, recurrences, step)
    proto = _corrected(graph, options.opset, model)
    weights |= add_placeholders(proto.graph, variables)
    separate_subgraph_outputs(proto.graph)
    canonicalise(
        proto.graph, [spec.name for spec in signature.inputs], [spec.name for spec in signature.outputs]
    )
    replace_values(proto.graph.input, [value_info(spec) for spec in signature.inputs])
    replace_values(proto.graph.output, [value_info(spec) for spec in signature.outputs])
    onnx.helper.set_model_props(proto, {PROVENANCE_KEY: json.dumps(provenance, sort_keys=True)})
    write_onnx(proto, weights, path)


def _require_known_types(model: keras.Model) -> None:
    """Refuse bfloat16: up to opset 18, neither convolutions nor the CPU kernels of onnxruntime support it."""
    for layer in model.layers:
        if layer.compute_dtype == "bfloat16":
            raise UnsupportedError(
                "computes in bfloat16, which ONNX runtimes do not",
                where=f"layer '{layer.name}'",
                hint="Choose --to saved_model, or save the model with the dtype policy float32 or float16.",
            )


def require_known_operators(graph: onnx.GraphProto, opset: int, model: keras.Model) -> None:
    """Refuse operations that tf2onnx could not convert: it leaves them in the graph.

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
    model: keras.Model, signature: Signature, as_arguments: Mapping[str, Any], opset: int
) -> tuple[onnx.GraphProto, list[Recurrence]]:
    """Convert with placeholder names, which are legal in TensorFlow whatever the true names are.

    Returns:
        A graph without the recurrent layers, and these layers.
    """
    placeholders = with_placeholder_names(signature)
    serve, specs = serving_function(model, placeholders, as_arguments)
    recurrences: list[Recurrence] = []
    if any(isinstance(layer, keras.layers.RNN) for layer in model._flatten_layers()):  # noqa: SLF001  in wrappers too
        with conversion_errors():
            serve, specs, recurrences = extract_recurrences(serve, specs, is_extractable)
    outputs = [spec.name for spec in placeholders.outputs]
    outputs += [recurrence.input_name(role) for recurrence in recurrences for role in recurrence.input_roles]
    graph = convert_function(serve, specs, outputs, opset)
    restore_unread(graph, placeholders.inputs)
    return graph, recurrences


def _corrected(graph: onnx.GraphProto, opset: int, model: keras.Model) -> onnx.ModelProto:
    """A model with the graph, in which all operators are those of ONNX, corrected and simplified."""
    proto = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", opset)],
        ir_version=IR_VERSIONS[opset],
        producer_name="plainserve",
        producer_version=__version__,
    )
    replace_erfc(proto)
    require_known_operators(proto.graph, opset, model)
    set_groups(proto)
    simplify(proto)
    split_means(proto)
    return proto
