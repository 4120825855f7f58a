"""Converts the requests and answers of Classify and Regress, whose signatures take ``tf.Example`` messages.

The examples are passed to the model as they came, one string each, and its graph parses the features. Whether a
signature is for one of these methods follows from its inputs and outputs, as in TensorFlow Serving. Its method name
says nothing, because TensorFlow 2 writes ``tensorflow/serving/predict`` for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from protos import tensorflow_serving_pb2 as pb
from serving.dataplane.messages import InferResult
from serving.datatypes import BYTES
from serving.errors import InvalidInputError, UnsupportedError
from serving.repository.model import LoadedModel
from serving.runtimes.runtime import DEFAULT_SIGNATURE, Array, TensorSpec

INPUTS, CLASSES, SCORES, OUTPUTS = "inputs", "classes", "scores", "outputs"
"""The names that TensorFlow gives the tensors of such signatures."""


@dataclass(frozen=True, slots=True)
class ExampleMethod:
    """A method that takes examples: Classify or Regress.

    Attributes:
        name: The method of the service.
        signature_method: The method name that TensorFlow gives its signatures.
        outputs: The outputs that it reads. A signature has at least one of them, and no others.
    """

    name: str
    signature_method: str
    outputs: tuple[str, ...]


CLASSIFY = ExampleMethod("Classify", "tensorflow/serving/classify", (CLASSES, SCORES))
REGRESS = ExampleMethod("Regress", "tensorflow/serving/regress", (OUTPUTS,))


def one_model(tasks: Sequence[pb.InferenceTask]) -> pb.ModelSpec:
    """The model that all tasks of a MultiInference name, with the version that the first one names.

    Raises:
        InvalidInputError: There are no tasks, or they name several models, or one signature twice.
    """
    if not tasks:
        raise InvalidInputError("MultiInference came without tasks; send one for each signature")
    specs = [task.model_spec for task in tasks]
    if len({spec.name for spec in specs}) > 1:
        raise InvalidInputError("all tasks of a MultiInference must name the same model")
    if len({spec.signature_name or DEFAULT_SIGNATURE for spec in specs}) < len(specs):
        raise InvalidInputError("two tasks of a MultiInference name the same signature; send one for each")
    return specs[0]


def method_of(task: pb.InferenceTask) -> ExampleMethod:
    """The method that a task asks for.

    Raises:
        UnsupportedError: It is neither Classify nor Regress.
    """
    for method in (CLASSIFY, REGRESS):
        if task.method_name == method.signature_method:
            return method
    raise UnsupportedError(
        f"MultiInference does not do method_name '{task.method_name}'; "
        f"set {CLASSIFY.signature_method} or {REGRESS.signature_method}"
    )


def check(method: ExampleMethod, model: LoadedModel) -> tuple[str, ...]:
    """Check that a signature is for a method.

    Args:
        method: The method.
        model: The model, with that signature.

    Returns:
        The outputs of the signature that the method reads.

    Raises:
        InvalidInputError: The signature is not for the method.
    """
    taken = {spec.name: spec.datatype for spec in model.inputs}
    returned = [spec.name for spec in model.outputs]
    wanted = tuple(name for name in method.outputs if name in returned)
    if taken != {INPUTS: BYTES} or not wanted or len(wanted) != len(returned):
        raise InvalidInputError(
            f"signature '{model.signature}' of model '{model.name}' is not for {method.name}, which takes a "
            f"signature from '{INPUTS}' (serialised tf.Example) to {' and '.join(map(repr, method.outputs))}; "
            f"send {', '.join(map(repr, taken)) or 'nothing'} with Predict, or name another signature"
        )
    return wanted


def serialised(sent: pb.Input) -> list[bytes]:
    """The examples, each as the string that a graph parses. The context of a list precedes each of its examples.

    Raises:
        InvalidInputError: There are none.
    """
    chosen = sent.WhichOneof("kind")
    listed: pb.ExampleList | pb.ExampleListWithContext = getattr(sent, chosen or "example_list")
    # protobuf parses concatenated messages as one; later fields replace earlier ones.
    context = sent.example_list_with_context.context.SerializeToString() if chosen != "example_list" else b""
    examples = [context + each.SerializeToString() for each in listed.examples]
    if not examples:
        raise InvalidInputError("input is empty; send one example at least")
    return examples


def answer(
    method: ExampleMethod, result: InferResult, examples: int, spec: pb.ModelSpec
) -> pb.InferenceResult:
    """Convert the answer of a model.

    Args:
        method: The method of the request.
        result: The answer of the model.
        examples: The number of examples in the request.
        spec: The model that answered.

    Raises:
        InvalidInputError: An output has another shape or datatype than the method takes.
    """
    if method is CLASSIFY:
        found = _classifications(result, examples)
        return pb.InferenceResult(model_spec=spec, classification_result=found)
    return pb.InferenceResult(model_spec=spec, regression_result=_regressions(result, examples))


def _classifications(result: InferResult, examples: int) -> pb.ClassificationResult:
    """The labels, the scores, or both, of the classes of each example: [examples, classes] of text and of FP32."""
    found = {}
    for spec, array in zip(result.specs, result.arrays, strict=True):
        if array.ndim != 2 or len(array) != examples:
            raise _misshapen(CLASSIFY, spec, array, f"[{examples},classes]")
        _check_datatype(CLASSIFY, spec, BYTES if spec.name == CLASSES else "FP32")
        found[spec.name] = array
    if len({array.shape for array in found.values()}) > 1:
        raise InvalidInputError(
            f"the model answers with more '{CLASSES}' than '{SCORES}', or fewer: use Predict"
        )
    shape = next(iter(found.values())).shape
    labels = found.get(CLASSES, np.full(shape, b"", np.object_)).tolist()
    scores = found.get(SCORES, np.zeros(shape, np.float32)).tolist()
    made = pb.ClassificationResult()
    for row in zip(labels, scores, strict=True):
        classes = made.classifications.add().classes
        for label, score in zip(*row, strict=True):
            classes.add(label=label.decode(errors="replace"), score=score)
    return made


def _regressions(result: InferResult, examples: int) -> pb.RegressionResult:
    """The number of each example: [examples] or [examples, 1] of FP32."""
    (spec,), (array,) = result.specs, result.arrays
    if array.shape not in ((examples,), (examples, 1)):
        raise _misshapen(REGRESS, spec, array, f"[{examples}] or [{examples},1]")
    _check_datatype(REGRESS, spec, "FP32")
    return pb.RegressionResult(regressions=[pb.Regression(value=value) for value in array.ravel().tolist()])


def _check_datatype(method: ExampleMethod, spec: TensorSpec, expected: str) -> None:
    if spec.datatype != expected:
        raise InvalidInputError(
            f"{method.name} takes '{spec.name}' as {expected}; the model has {spec.datatype}: use Predict"
        )


def _misshapen(method: ExampleMethod, spec: TensorSpec, array: Array, expected: str) -> InvalidInputError:
    return InvalidInputError(
        f"{method.name} takes '{spec.name}' of shape {expected}; the model answers {list(array.shape)}: use Predict"
    )
