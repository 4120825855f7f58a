"""Classify and Regress: ``tf.Example`` messages for a signature that takes them, and what such a signature answers.

The examples go to the model as they came, one string each; its graph reads the features out of them. Whether a
signature is one of these, its inputs and outputs say, as in TensorFlow Serving: its method is only a name, which
TensorFlow 2 writes as ``tensorflow/serving/predict`` for all.
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
"""What TensorFlow calls the tensors of such signatures."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two.

    Attributes:
        name: The method of the service.
        method: What TensorFlow calls the method of its signatures.
        outputs: The outputs that it reads; a signature has one of them at least, and no others.
    """

    name: str
    method: str
    outputs: tuple[str, ...]


CLASSIFY = Kind("Classify", "tensorflow/serving/classify", (CLASSES, SCORES))
REGRESS = Kind("Regress", "tensorflow/serving/regress", (OUTPUTS,))


def one_model(tasks: Sequence[pb.InferenceTask]) -> pb.ModelSpec:
    """The model that all tasks of a MultiInference name, and the version that the first one means.

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


def kind_of(task: pb.InferenceTask) -> Kind:
    """What a task asks for.

    Raises:
        UnsupportedError: It is neither.
    """
    for kind in (CLASSIFY, REGRESS):
        if task.method_name == kind.method:
            return kind
    raise UnsupportedError(
        f"MultiInference does not do method_name '{task.method_name}'; set {CLASSIFY.method} or {REGRESS.method}"
    )


def check(kind: Kind, model: LoadedModel) -> tuple[str, ...]:
    """Whether a signature is of a kind.

    Args:
        kind: The kind.
        model: The model by that signature.

    Returns:
        The outputs that are wanted of it.

    Raises:
        InvalidInputError: It is not.
    """
    taken = {spec.name: spec.datatype for spec in model.inputs}
    returned = [spec.name for spec in model.outputs]
    wanted = tuple(name for name in kind.outputs if name in returned)
    if taken != {INPUTS: BYTES} or not wanted or len(wanted) != len(returned):
        raise InvalidInputError(
            f"signature '{model.signature}' of model '{model.name}' is not for {kind.name}, which takes a signature "
            f"from '{INPUTS}' (serialised tf.Example) to {' and '.join(map(repr, kind.outputs))}; "
            f"send {', '.join(map(repr, taken)) or 'nothing'} with Predict, or name another signature"
        )
    return wanted


def serialised(sent: pb.Input) -> list[bytes]:
    """The examples, each as the string that a graph reads. Features of a context come before those of each example.

    Raises:
        InvalidInputError: There are none.
    """
    chosen = sent.WhichOneof("kind")
    listed: pb.ExampleList | pb.ExampleListWithContext = getattr(sent, chosen or "example_list")
    # One message behind another is what protobuf makes one of: what comes later wins.
    context = sent.example_list_with_context.context.SerializeToString() if chosen != "example_list" else b""
    examples = [context + each.SerializeToString() for each in listed.examples]
    if not examples:
        raise InvalidInputError("input is empty; send one example at least")
    return examples


def answer(kind: Kind, result: InferResult, examples: int, spec: pb.ModelSpec) -> pb.InferenceResult:
    """What the service answers.

    Args:
        kind: What was asked for.
        result: What the model answered.
        examples: How many examples it was given.
        spec: Which model that was.

    Raises:
        InvalidInputError: It answered otherwise than models of this kind do.
    """
    if kind is CLASSIFY:
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


def _check_datatype(kind: Kind, spec: TensorSpec, expected: str) -> None:
    if spec.datatype != expected:
        raise InvalidInputError(
            f"{kind.name} takes '{spec.name}' as {expected}; the model has {spec.datatype}: use Predict"
        )


def _misshapen(kind: Kind, spec: TensorSpec, array: Array, expected: str) -> InvalidInputError:
    return InvalidInputError(
        f"{kind.name} takes '{spec.name}' of shape {expected}; the model answers {list(array.shape)}: use Predict"
    )
