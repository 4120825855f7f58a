"""The runtimes that people run artefacts in: each opens a file and answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx.reference
import onnxruntime
import openvino
import tract
from ai_edge_litert.interpreter import Interpreter, OpResolverType

Arrays = Mapping[str, np.ndarray]
Answer = dict[str, np.ndarray]


@dataclass(frozen=True)
class Runtime:
    """One column of the table.

    Attributes:
        target: The format that it takes.
        run: From a file and its inputs to its outputs.
        package: Whose version is stated.
    """

    target: str
    run: Callable[[Path, Arrays], Answer]
    package: str


def _onnxruntime(path: Path, inputs: Arrays, *, optimised: bool) -> Answer:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _openvino(path: Path, inputs: Arrays) -> Answer:
    """OpenVINO's runtime itself: its converter, which alone has telemetry, is not used."""
    core = openvino.Core()
    # Where the processor has them, OpenVINO would compute float32 models in 16 bits.
    model = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answer = model(dict(inputs))
    return {output.name: answer[output.name] for output in onnx.load(path).graph.output}


def _reference(path: Path, inputs: Arrays) -> Answer:
    evaluator = onnx.reference.ReferenceEvaluator(str(path))
    return dict(zip(evaluator.output_names, evaluator.run(None, dict(inputs)), strict=True))


def _tract(path: Path, inputs: Arrays) -> Answer:
    """tract, told all sizes: its LSTM and its Scan want them."""
    model = tract.onnx().load(str(path))
    names = [model.input_name(number) for number in range(model.input_count())]
    types = {"float32": "f32", "int32": "i32"}
    for number, name in enumerate(names):
        sizes = ",".join(map(str, inputs[name].shape))
        model.set_input_fact(number, f"{sizes},{types[inputs[name].dtype.name]}")
    outputs = [output.name for output in onnx.load(path).graph.output]  # tract calls them by their nodes
    for number in range(len(outputs)):
        model.set_output_fact(number, None)
    answers = model.into_model().into_runnable().run([inputs[name] for name in names])
    return dict(zip(outputs, (answer.to_numpy() for answer in answers), strict=True))


def _litert(path: Path, inputs: Arrays, *, resolver: OpResolverType) -> Answer:
    interpreter = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=resolver)
    run = interpreter.get_signature_runner("serving_default")
    return run(**inputs)


RUNTIMES = {
    "onnxruntime": Runtime("onnx", lambda *each: _onnxruntime(*each, optimised=True), "onnxruntime"),
    "unoptimised": Runtime("onnx", lambda *each: _onnxruntime(*each, optimised=False), "onnxruntime"),
    "OpenVINO": Runtime("onnx", _openvino, "openvino"),
    "onnx.reference": Runtime("onnx", _reference, "onnx"),
    "tract": Runtime("onnx", _tract, "tract"),
    "LiteRT": Runtime("tflite", lambda *each: _litert(*each, resolver=OpResolverType.AUTO), "ai-edge-litert"),
    "without XNNPACK": Runtime(
        "tflite",
        lambda *each: _litert(*each, resolver=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES),
        "ai-edge-litert",
    ),
}
"""By the name of the column."""
