"""Opens, checks and runs a TFLite file in the interpreter of LiteRT."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from converter.artefacts.contract import Arrays, in_order
from converter.errors import UnsupportedError
from converter.exporters.contract import PROVENANCE_KEY
from converter.exporters.tflite.canonical import operator_name
from converter.process.framework_output import quiet
from converter.signature import TensorSpec

SIGNATURE_KEY = "serving_default"
THREADS = 2
_PASSED_ON = frozenset({"CAST", "DEQUANTIZE"})


class TfliteArtefact:
    """See ``contract.Artefact``. Runs on the CPU with XNNPACK, as in an app.

    Args:
        path: The file.

    Raises:
        UnsupportedError: It is not a TFLite file, or lacks the signature ``serving_default``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = path.read_bytes()
        if self._data[4:8] != b"TFL3":
            raise UnsupportedError("this is no TFLite file", where=path.name)
        self._model = schema.ModelT.InitFromPackedBuf(bytearray(self._data), 0)
        definitions = {_text(d.signatureKey): d for d in self._model.signatureDefs or []}
        if SIGNATURE_KEY not in definitions:
            raise UnsupportedError(f"the file has no signature {SIGNATURE_KEY!r}", where=path.name)
        self._signature = definitions[SIGNATURE_KEY]
        self._graph = self._model.subgraphs[self._signature.subgraphIndex]
        self._interpreter: Interpreter | None = None

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs of the signature, in its order."""
        return tuple(self._spec(entry) for entry in self._signature.inputs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs of the signature, in its order."""
        return tuple(self._spec(entry) for entry in self._signature.outputs)

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute all outputs; the runner resizes the inputs to the batch."""
        ordered = in_order(inputs, self.inputs)
        if self._interpreter is None:
            self._interpreter = self._load(OpResolverType.BUILTIN, keep_tensors=False)
        results = self._interpreter.get_signature_runner(SIGNATURE_KEY)(**ordered)
        return {spec.name: results[spec.name] for spec in self.outputs}

    def run_before_softmax(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Compute the inputs of final SOFTMAX operators.

        Delegates keep no intermediate results, so this uses the builtin kernels only.
        """
        logits = self._logits()
        if not logits:
            return {}
        interpreter = self._load(OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, keep_tensors=True)
        indices = {_text(entry.name): entry.tensorIndex for entry in self._signature.inputs}
        ordered = in_order(inputs, self.inputs)
        for name, array in ordered.items():
            interpreter.resize_tensor_input(indices[name], array.shape)
        interpreter.allocate_tensors()
        for name, array in ordered.items():
            interpreter.set_tensor(indices[name], array)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in logits.items()}

    def operators(self) -> Counter[str]:
        """How often each operator occurs, in all subgraphs."""
        return Counter(
            operator_name(self._model, operator)
            for graph in self._model.subgraphs
            for operator in graph.operators
        )

    def check(self) -> None:
        """Load the file with builtin kernels only, and allocate its tensors."""
        builtin = {name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
        foreign = sorted(set(self.operators()) - builtin)
        if foreign:
            raise UnsupportedError(f"needs {', '.join(foreign)}, no builtin of TFLite", where=self._path.name)
        try:
            self._load(OpResolverType.BUILTIN, keep_tensors=False)
        except (RuntimeError, ValueError) as error:
            raise UnsupportedError(
                f"the TFLite file is refused: {str(error).strip().splitlines()[0]}",
                where=self._path.name,
                hint="Choose another format with --to.",
            ) from error

    def provenance(self) -> dict[str, Any]:
        """Read the metadata entry."""
        for entry in self._model.metadata or []:
            if _text(entry.name) == PROVENANCE_KEY:
                return dict(json.loads(bytes(self._model.buffers[entry.buffer].data)))
        return {}

    def _load(self, resolver: OpResolverType, *, keep_tensors: bool) -> Interpreter:
        with quiet():  # XNNPACK logs that it is used
            interpreter = Interpreter(
                model_content=self._data,
                num_threads=THREADS,
                experimental_op_resolver_type=resolver,
                experimental_preserve_all_tensors=keep_tensors,
            )
            interpreter.allocate_tensors()
        return interpreter

    def _logits(self) -> dict[str, int]:
        """For each output that a SOFTMAX produces, the index of the input tensor of that SOFTMAX."""
        producers = {int(index): operator for operator in self._graph.operators for index in operator.outputs}
        found = {}
        for entry in self._signature.outputs:
            operator = producers.get(entry.tensorIndex)
            while operator is not None and operator_name(self._model, operator) in _PASSED_ON:
                operator = producers.get(int(operator.inputs[0]))
            if operator is not None and operator_name(self._model, operator) == "SOFTMAX":
                found[_text(entry.name)] = int(operator.inputs[0])
        return found

    def _spec(self, entry: Any) -> TensorSpec:  # noqa: ANN401  generated class
        tensor = self._graph.tensors[entry.tensorIndex]
        sizes = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
        shape = tuple(None if size < 0 else int(size) for size in np.atleast_1d(sizes))
        return TensorSpec(_text(entry.name), shape, _TENSOR_TYPES[tensor.type])


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


_TENSOR_TYPES = {
    code: name.lower() for name, code in vars(schema.TensorType).items() if isinstance(code, int)
}
