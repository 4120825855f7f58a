"""What becomes of what a model answers to examples."""

import asyncio

import numpy as np
import pytest
from patience import PATIENCE

from protos import tensorflow_core_pb2 as core
from protos import tensorflow_serving_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.messages import InferResult
from serving.datatypes import BYTES
from serving.errors import InvalidInputError
from serving.runtimes.runtime import TensorSpec
from serving.services.tensorflow_serving import example_messages
from serving.services.tensorflow_serving.example_messages import CLASSIFY, REGRESS
from serving.services.tensorflow_serving.prediction_service import MANY_CLASSES, PredictionService

SCORES = np.float32([[0.25, 0.75], [1, 0]])
LABELS = np.array([[b"a", "é".encode()], [b"", b"\xff"]], object)


def answered(kind, examples=2, **arrays):
    """The answer to examples of a model that gives these arrays."""
    datatypes = {"O": BYTES, "f": "FP32", "d": "FP64", "q": "INT64"}
    specs = [
        TensorSpec(name, datatypes[each.dtype.char.replace("l", "q")], each.shape)
        for name, each in arrays.items()
    ]
    result = InferResult("m", "1", specs, list(arrays.values()))
    return example_messages.answer(kind, result, examples, pb.ModelSpec(name="m"))


def rows(answer):
    return [
        [(each.label, each.score) for each in row.classes]
        for row in answer.classification_result.classifications
    ]


def test_classes_have_what_the_model_gives():
    both = rows(answered(CLASSIFY, classes=LABELS, scores=SCORES))
    assert both == [[("a", 0.25), ("é", 0.75)], [("", 1.0), ("�", 0.0)]]
    assert rows(answered(CLASSIFY, scores=SCORES)) == [
        [("", score) for score in row] for row in SCORES.tolist()
    ]
    assert [[label for label, _ in row] for row in rows(answered(CLASSIFY, classes=LABELS))] == [
        [label for label, _ in row] for row in both
    ]


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_regression_has_a_number_for_each_example(shape):
    answer = answered(REGRESS, outputs=np.float32([1.5, -2]).reshape(shape))
    assert [each.value for each in answer.regression_result.regressions] == [1.5, -2.0]
    assert answer.WhichOneof("result") == "regression_result"


@pytest.mark.parametrize(
    ("kind", "arrays", "text"),
    [
        (CLASSIFY, {"scores": SCORES[0]}, r"'scores' of shape \[2,classes\]; the model answers \[2\]: use"),
        (CLASSIFY, {"scores": SCORES[:1]}, r"\[2,classes\]; the model answers \[1, 2\]"),
        (
            CLASSIFY,
            {"classes": LABELS[None]},
            r"'classes' of shape \[2,classes\]; the model answers \[1, 2, 2\]",
        ),
        (
            CLASSIFY,
            {"scores": SCORES.astype(np.float64)},
            "'scores' as FP32; the model has FP64: use Predict",
        ),
        (CLASSIFY, {"classes": SCORES}, "'classes' as BYTES; the model has FP32"),
        (CLASSIFY, {"classes": LABELS[:, :1], "scores": SCORES}, "more 'classes' than 'scores', or fewer"),
        (REGRESS, {"outputs": SCORES}, r"'outputs' of shape \[2\] or \[2,1\]; the model answers \[2, 2\]"),
        (REGRESS, {"outputs": np.float32(1).reshape(())}, r"the model answers \[\]"),
        (REGRESS, {"outputs": np.array([1, 2])}, "'outputs' as FP32; the model has INT64"),
    ],
)
def test_a_model_that_answers_otherwise_is_to_be_asked_with_predict(kind, arrays, text):
    with pytest.raises(InvalidInputError, match=text):
        answered(kind, **arrays)


class OneModel:
    """What the dataplane needs of a repository."""

    def __init__(self, model):
        self.model = model

    def get(self, _name, _version=""):
        return self.model

    def knows(self, _name, _version):
        return True


@pytest.mark.parametrize("classes", [2, MANY_CLASSES + 1], ids=["small", "large"])
def test_an_answer_of_any_size_is_whole(function_model, classes):
    model = function_model(
        lambda inputs: {"scores": np.tile(np.arange(classes, dtype=np.float32), (len(inputs), 1))}
    )
    model.runtime.inputs = (TensorSpec("inputs", BYTES, (-1,)),)
    model.runtime.outputs = (TensorSpec("scores", "FP32", (-1, classes)),)
    request = pb.ClassificationRequest(model_spec=pb.ModelSpec(name="function"))
    request.input.example_list.examples.extend([core.Example(), core.Example()])

    async def ask():
        plane = DataPlane(OneModel(model), asyncio.get_running_loop())
        try:
            return await PredictionService(plane, 1 << 20).Classify(request, None)
        finally:
            assert await asyncio.to_thread(plane.close, PATIENCE)

    answer = asyncio.run(ask())
    assert [[each.score for each in row.classes] for row in answer.result.classifications] == [
        list(range(classes))
    ] * 2
