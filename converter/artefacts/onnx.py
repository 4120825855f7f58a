"""Opens, checks and runs an ONNX file in onnxruntime."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from converter.artefacts.contract import Arrays, in_order
from converter.artefacts.onnx_outline import outline
from converter.errors import UnsupportedError
from converter.exporters.contract import PROVENANCE_KEY
from converter.exporters.onnx.rewrites.inferred_values import without_weights
from converter.signature import TensorSpec

THREADS = 2
_FATAL_ONLY = 4
_PASSED_ON = frozenset({"Identity", "Cast", "Transpose"})


class OnnxArtefact:
    """See ``contract.Artefact``. Runs on the CPU with onnxruntime's default optimisations.

    Args:
        path: The file.

    Raises:
        UnsupportedError: It is not an ONNX file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            proto = outline(path)
        except Exception as error:  # google.protobuf's DecodeError, under whichever implementation
            raise UnsupportedError("this is no ONNX file", where=path.name) from error
        self._inputs = tuple(_spec(value) for value in proto.graph.input)
        self._outputs = tuple(_spec(value) for value in proto.graph.output)
        self._metadata = {entry.key: entry.value for entry in proto.metadata_props}
        self._light = without_weights(proto)  # onnxruntime reads the weights from the file
        self._sessions: dict[tuple[str, ...], onnxruntime.InferenceSession] = {}

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs as the graph states them, without the names of free sizes."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs as the graph states them."""
        return self._outputs

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute all outputs."""
        names = [spec.name for spec in self.outputs]
        values = self._session().run(names, in_order(inputs, self.inputs))
        return dict(zip(names, values, strict=True))

    def run_before_softmax(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute the inputs of final Softmax nodes, in a copy of the model that has them as outputs."""
        logits = self._logits()
        if not logits:
            return {}
        known = {spec.name for spec in self.outputs}
        session = self._session(*sorted({tensor for tensor, _ in logits.values()} - known))
        values = session.run([tensor for tensor, _ in logits.values()], in_order(inputs, self.inputs))
        return {
            name: reduce(np.transpose, orders, value)
            for (name, (_, orders)), value in zip(logits.items(), values, strict=True)
        }

    def operators(self) -> Counter[str]:
        """How often each operator occurs, subgraphs included."""
        return Counter(node.op_type for node in _nodes(self._light.graph))

    def check(self) -> None:
        """Run onnx.checker in full and load the model into onnxruntime."""
        try:
            onnx.checker.check_model(self._light, full_check=True)
            self._session()
        except Exception as error:  # onnxruntime raises a class of its own for every status code
            raise UnsupportedError(
                f"the ONNX file is refused: {str(error).strip().splitlines()[0]}",
                where=self._path.name,
                hint="Choose another --opset, or another format with --to.",
            ) from error

    def provenance(self) -> dict[str, Any]:
        """Read ``metadata_props``."""
        return dict(json.loads(self._metadata.get(PROVENANCE_KEY, "{}")))

    def _logits(self) -> dict[str, tuple[str, list[list[int] | None]]]:
        """For each output that a Softmax produces: the name of the input of that Softmax, and how to transpose it.

        A softmax over the channels of an image is computed with the channels at another axis.
        """
        producers = {name: node for node in self._light.graph.node for name in node.output}
        found = {}
        for output in self._light.graph.output:
            node = producers.get(output.name)
            orders: list[list[int] | None] = []
            while node is not None and node.op_type in _PASSED_ON:
                if node.op_type == "Transpose":
                    orders.insert(0, next((list(e.ints) for e in node.attribute if e.name == "perm"), None))
                node = producers.get(node.input[0])
            if node is not None and node.op_type == "Softmax":
                found[output.name] = str(node.input[0]), orders
        return found

    def _session(self, *extra: str) -> onnxruntime.InferenceSession:
        """A session of the model with extra outputs; one at a time, since each holds all weights."""
        if extra not in self._sessions:
            self._sessions.clear()
            self._sessions[extra] = _open_with(self._path, extra) if extra else _open(self._path)
        return self._sessions[extra]


def _open_with(path: Path, extra: tuple[str, ...]) -> onnxruntime.InferenceSession:
    """Open a copy with more outputs: protobuf messages merge when one is written after the other."""
    more = onnx.ModelProto()
    more.graph.output.extend(onnx.ValueInfoProto(name=name) for name in extra)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        with copy.open("ab") as stream:
            stream.write(more.SerializeToString())
        return _open(copy)


def _open(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


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
