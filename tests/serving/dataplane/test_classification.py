import numpy as np
import pytest

from serving.dataplane import classification
from serving.dataplane.messages import InferResult
from serving.errors import InvalidInputError
from serving.runtimes.runtime import TensorSpec


def classified(array, wanted, *, datatype="FP32", labels=(), batched=True):
    spec = TensorSpec("y", datatype, array.shape)
    return classification.classified(array, spec, wanted, labels, batched=batched).tolist()


def test_the_highest_come_first_with_place_and_label():
    y = np.array([[0.1, 0.7, 0.2], [3, 1, 2]], np.float32)
    assert classified(y, 2, labels=("a", "b")) == [
        [b"0.700000:1:b", b"0.200000:2"],
        [b"3.000000:0:a", b"2.000000:2"],
    ]


def test_equal_values_come_in_the_order_of_their_places():
    assert classified(np.array([[1, 1, 2, 2]], np.float32), 4) == [
        [b"2.000000:2", b"2.000000:3", b"1.000000:0", b"1.000000:1"]
    ]


def test_more_than_there_are_gives_what_there_is():
    assert classified(np.array([[1, 2]], np.float32), 9) == [[b"2.000000:1", b"1.000000:0"]]


def test_without_a_batch_the_whole_output_is_one_row():
    assert classified(np.array([[1, 2], [4, 3]], np.float32), 2, batched=False) == [
        b"4.000000:2",
        b"3.000000:3",
    ]


@pytest.mark.parametrize(
    ("array", "datatype", "text"),
    [
        (np.array([[-7, 5]], np.int8), "INT8", b"5:1"),
        (np.array([[0, 255]], np.uint8), "UINT8", b"255:1"),
        (np.array([[False, True]]), "BOOL", b"1:1"),
        (np.array([[0.25, 0.5]], np.float16), "FP16", b"0.500000:1"),
        (np.array([[0x3F80, 0x4000]], np.uint16), "BF16", b"2.000000:1"),
        (np.array([[1e300, 0]], np.float64), "FP64", f"{1e300:f}:0".encode()),
    ],
)
def test_every_datatype_of_numbers_can_be_classified(array, datatype, text):
    assert classified(array, 1, datatype=datatype) == [[text]]


def test_text_cannot():
    with pytest.raises(InvalidInputError, match="'y' holds text"):
        classified(np.array([[b"a"]], np.object_), 1, datatype="BYTES")


def test_only_the_outputs_that_are_asked_for_are_classified():
    y, z = np.array([[1, 2]], np.float32), np.array([[3]], np.float32)
    result = InferResult(
        "m", "1", [TensorSpec("y", "FP32", (-1, 2)), TensorSpec("z", "FP32", (-1, 1))], [y, z]
    )
    classification.apply(result, {"y": 1}, {}, batched=True)
    assert [(spec.name, spec.datatype) for spec in result.specs] == [("y", "BYTES"), ("z", "FP32")]
    assert result.arrays[0].tolist() == [[b"2.000000:1"]]
    assert result.arrays[1] is z


@pytest.mark.parametrize(
    ("shape", "batched", "shown"),
    [((2, 0), True, [[], []]), ((0, 3), True, []), ((0,), False, []), ((0, 3), False, [])],
)
def test_of_nothing_there_are_no_classes(shape, batched, shown):
    assert classified(np.zeros(shape, np.float32), 2, batched=batched) == shown
