"""An ONNX file in onnxruntime."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx
import onnxruntime

from converter.artefacts.contract import Arrays, in_order
from converter.errors import UnsupportedError
from converter.exporters.contract import PROVENANCE_KEY
from converter.signature import TensorSpec

THREADS = 2
_FATAL_ONLY = 4
_PASSED_ON = frozenset({"Identity", "Cast"})


class OnnxArtefact:
    """See ``contract.Artefact``. Runs on the CPU with onnxruntime's default optimisations.

    Args:
        path: The file.

    Raises:
        UnsupportedError: It is no ONNX file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._proto = onnx.load(path)
        except Exception as error:  # google.protobuf's DecodeError, under whichever implementation
            raise UnsupportedError("this is no ONNX file", where=path.name) from error
        self._sessions: dict[bool, onnxruntime.InferenceSession] = {}

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs as the graph states them; the free sizes' names are left out."""
        return tuple(_spec(value) for value in self._proto.graph.input)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs as the graph states them."""
        return tuple(_spec(value) for value in self._proto.graph.output)

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute all outputs."""
        names = [spec.name for spec in self.outputs]
        values = self._session(probing=False).run(names, in_order(inputs, self.inputs))
        return dict(zip(names, values, strict=True))

    def run_before_softmax(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute the inputs of final Softmax nodes, in a copy of the model that has them as outputs."""
        logits = self._logits()
        if not logits:
            return {}
        values = self._session(probing=True).run(list(logits.values()), in_order(inputs, self.inputs))
        return dict(zip(logits, values, strict=True))

    def operators(self) -> Counter[str]:
        """How often each operator occurs, subgraphs included."""
        return Counter(node.op_type for node in _nodes(self._proto.graph))

    def check(self) -> None:
        """Run onnx.checker in full and load the model into onnxruntime."""
        try:
            onnx.checker.check_model(self._proto, full_check=True)
            self._session(probing=False)
        except Exception as error:  # onnxruntime raises a class of its own for every status code
            raise UnsupportedError(
                f"the ONNX file is refused: {str(error).strip().splitlines()[0]}",
                where=self._path.name,
                hint="Choose another --opset, or another format with --to.",
            ) from error

    def provenance(self) -> dict[str, Any]:
        """Read ``metadata_props``."""
        found = {entry.key: entry.value for entry in self._proto.metadata_props}
        return dict(json.loads(found.get(PROVENANCE_KEY, "{}")))

    def _logits(self) -> dict[str, str]:
        """By output that a Softmax produces: the name of that Softmax's input."""
        producers = {name: node for node in self._proto.graph.node for name in node.output}
        found = {}
        for output in self._proto.graph.output:
            node = producers.get(output.name)
            while node is not None and node.op_type in _PASSED_ON:
                node = producers.get(node.input[0])
            if node is not None and node.op_type == "Softmax":
                found[output.name] = str(node.input[0])
        return found

    def _session(self, *, probing: bool) -> onnxruntime.InferenceSession:
        if probing not in self._sessions:
            proto = onnx.ModelProto()
            proto.CopyFrom(self._proto)
            if probing:
                known = {value.name for value in (*proto.graph.input, *proto.graph.output)}
                extra = sorted(set(self._logits().values()) - known)
                proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in extra)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = THREADS
            options.inter_op_num_threads = 1
            options.log_severity_level = _FATAL_ONLY
            self._sessions[probing] = onnxruntime.InferenceSession(
                proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[probing]


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _nodes(attribute.g)


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    shape = tuple(size.dim_value if size.HasField("dim_value") else None for size in tensor.shape.dim)
    return TensorSpec(value.name, shape, _dtype(tensor.elem_type))


def _dtype(element_type: int) -> str:
    name = str(onnx.TensorProto.DataType.Name(element_type)).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)
