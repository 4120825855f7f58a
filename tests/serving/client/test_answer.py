import numpy as np
import pytest

from protos import open_inference_pb2 as pb
from serving.client.answer import CONTENTS, Answer
from serving.client.errors import AnswerError
from serving.datatypes import BF16, BYTES, NUMPY, pack_bytes


def message(datatype, shape, raw=None, **contents):
    answer = pb.ModelInferResponse(model_name="m", model_version="3", id="9")
    answer.outputs.add(name="y", datatype=datatype, shape=shape, contents=pb.InferTensorContents(**contents))
    if raw is not None:
        answer.raw_output_contents.append(raw)
    return answer


@pytest.mark.parametrize("datatype", [name for name in NUMPY if name not in {BYTES, BF16}])
def test_raw_numbers_are_read_as_their_datatype(datatype):
    expected = np.array([[0, 1, 0]], NUMPY[datatype])
    answer = Answer(message(datatype, [1, 3], expected.tobytes()))
    assert answer["y"].dtype == expected.dtype
    np.testing.assert_array_equal(answer["y"], expected)
    assert (answer.model, answer.version, answer.id) == ("m", "3", "9")


@pytest.mark.parametrize("datatype", [name for name in CONTENTS if name != BYTES])
def test_typed_numbers_are_read_as_their_datatype(datatype):
    answer = Answer(message(datatype, [2, 1], **{CONTENTS[datatype]: [1, 0]}))
    assert answer["y"].dtype == NUMPY[datatype]
    np.testing.assert_array_equal(answer["y"], [[1], [0]])


def test_bf16_is_widened_and_strings_are_read_both_ways():
    assert Answer(message("BF16", [1], b"\xc0\x3f"))["y"].tolist() == [1.5]
    raw = pack_bytes(np.array(["a", "bc"]))
    assert Answer(message("BYTES", [2], raw))["y"].tolist() == [b"a", b"bc"]
    assert Answer(message("BYTES", [2], bytes_contents=[b"a", b"bc"]))["y"].tolist() == [b"a", b"bc"]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (message("FP32", [2], b"1234"), r"FP32 \[2\] and came as 4 bytes"),
        (message("FP8", [1], b"1"), "datatype FP8 is unknown"),
        (message("FP32", [-1], b""), "negative dimension"),
        (message("BYTES", [1], b"\x09\x00\x00\x00a"), "output 'y': element 0 claims 9 bytes"),
        (message("FP32", [2], fp32_contents=[1.0]), "came with 1 elements"),
        (message("FP16", [1]), "FP16 and did not come as raw bytes"),
        (message("INT32", [2**40, 2**40], b"1"), "came as 1 bytes"),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(answer, text):
    with pytest.raises(AnswerError, match=text):
        Answer(answer)


def test_fewer_raw_buffers_than_outputs_are_refused():
    answer = message("FP32", [1], b"1234")
    answer.outputs.add(name="z", datatype="FP32", shape=[1])
    with pytest.raises(AnswerError, match="announces 2 outputs and holds 1"):
        Answer(answer)
