import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protos import tensorflow_serving_pb2 as pb
from serving.dataplane.messages import InferResult
from serving.errors import InvalidInputError
from serving.runtimes.runtime import TensorSpec
from serving.services.request_templates import RequestTemplates
from serving.services.tensorflow_serving import predict_template, tensor_proto
from serving.services.tensorflow_serving.prediction_service import PredictionService

SERVICE = PredictionService(None, 1 << 20)
DTYPES = {"FP32": np.float32, "FP64": np.float64, "INT32": np.int32}


def message(sizes=(8,), datatype="FP32", fill=1, *, content=False, outputs=(), **spec):
    made = pb.PredictRequest(model_spec=pb.ModelSpec(name="m", **spec))
    for at, size in enumerate(sizes):
        numbers = (np.arange(size) * 3 + fill + at).astype(DTYPES[datatype]).reshape(1, size)
        tensor_proto.write(numbers, datatype, made.inputs[f"x{at}"], content=content)
    made.output_filter.extend(outputs)
    return made


def taught(data):
    """What has seen a message twice."""
    made = RequestTemplates(predict_template.make_template)
    for _ in range(2):
        made.learn(data, pb.PredictRequest.FromString(data))
    return made


def contents(request):
    return {
        each.name: (each.datatype, each.shape, bytes(raw))
        for each, raw in zip(request.inputs, request.raw, strict=True)
    }


def says_the_same(templates, data):
    """Whether a message matches; if so, it reads as protobuf does."""
    found = templates.find(data)
    if found is None:
        return False
    template, _ = found
    read = pb.PredictRequest.FromString(data)
    given_ = template.infer_request(data, 0, 7.0)
    expected = SERVICE._infer_request(read, "", 7.0)
    same = ("model", "outputs", "deadline", "signature", "priority", "timeout", "classes")
    assert all(getattr(given_, name) == getattr(expected, name) for name in same)
    assert template.spec == read.model_spec
    assert contents(given_) == contents(expected)
    return True


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=4),
    st.sampled_from([("FP32", False), ("FP32", True), ("FP64", False), ("FP64", True), ("INT32", True)]),
    st.tuples(st.integers(0, 99), st.integers(0, 99)),
    st.lists(st.sampled_from(["y", "z"]), unique=True),
    st.sampled_from([{}, {"version_label": "stable"}, {"version": {"value": 3}}, {"signature_name": "s"}]),
)
def test_a_repeat_asks_what_its_message_says(sizes, elements, fills, outputs, spec):
    datatype, content = elements
    known, again = (
        message(sizes, datatype, fill, content=content, outputs=outputs, **spec).SerializeToString(
            deterministic=True
        )
        for fill in fills
    )
    assert says_the_same(taught(known), again)


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_what_matches_is_what_protobuf_reads(data):
    known = message((5, 40), content=data.draw(st.booleans()), outputs=["y"]).SerializeToString()
    changed = bytearray(known)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        if data.draw(st.booleans()):
            changed[at] = data.draw(st.integers(0, 0x7E))
        else:
            changed[at:at] = data.draw(st.binary(max_size=6))
    says_the_same(taught(known), bytes(changed))


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_crafted_message_is_never_misread(data):
    tensors = [
        b"\x08\x01\x12\x04\x12\x02\x08\x01" + rest
        for rest in (
            b"\x22\x04abcd", b"\x2a\x04abcd", b"\x22\x04abcd\x2a\x04abcd", b"\x22\x00\x2a\x04abcd", b"\x2dabcd",
            b"\x22\x04abcd\x22\x04efgh", b"\x2a\x04abcd\x2a\x00", b"\x22\x04abcd\x38\x01", b"\x22\x00",
        )
    ]  # fmt: skip
    entries = []
    for name in (b"x", b"y"):
        for tensor in tensors:
            key, value = b"\x0a\x01" + name, b"\x12" + bytes([len(tensor)]) + tensor
            entries += [key + value, value + key, key + value + value, value]
    fields = [b"\x12" + bytes([len(entry)]) + entry for entry in entries]
    fields += [b"\x0a\x03\x0a\x01m", b"\x1a\x01y", b"\x32\x02\x12\x00"]
    crafted = b"".join(data.draw(st.lists(st.sampled_from(fields), max_size=5)))
    read = pb.PredictRequest.FromString(crafted)
    try:
        SERVICE._infer_request(read, "", None)
    except InvalidInputError:
        # Only what was answered is learnt.
        return
    templates = RequestTemplates(predict_template.make_template)
    for _ in range(2):
        templates.learn(crafted, read)
    says_the_same(templates, crafted)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensor: tensor.float_val.pop(),
        lambda tensor: tensor.int_val.append(1),
        lambda tensor: tensor.ClearField("float_val"),
    ],
    ids=["a list that is filled up", "another list", "no elements"],
)
def test_elements_that_are_not_the_bytes_of_the_array_are_parsed(change):
    made = message()
    change(made.inputs["x0"])
    data = made.SerializeToString()
    assert taught(data).find(data) is None


def test_integers_in_a_list_are_parsed():
    data = message(datatype="INT32").SerializeToString()
    assert taught(data).find(data) is None


def result(*outputs):
    specs = tuple(TensorSpec(name, datatype, (-1,)) for name, datatype, _ in outputs)
    return InferResult("m", "3", specs, [array for _, _, array in outputs])


@pytest.mark.parametrize("content", [False, True])
def test_an_answer_is_the_bytes_that_protobuf_writes(content):
    service = PredictionService(None, 1 << 20, content=content)
    answer = result(
        ("z", "FP64", np.arange(3.0)), ("y", "FP32", np.arange(200, dtype=np.float32).reshape(2, 100))
    )
    layout = service._lay_out(answer)
    expected = service._response(answer).SerializeToString()
    assert layout.serialize([array.tobytes() for array in answer.arrays], b"") == expected
    assert layout.size == len(expected)


@pytest.mark.parametrize(
    "output",
    [("y", "INT32", np.arange(3, dtype=np.int32)), ("y", "FP32", np.zeros((0, 2), np.float32)),
     ("y", "BYTES", np.array([b"a"], np.object_)), ("y", "BOOL", np.array([True]))],
)  # fmt: skip
def test_outputs_that_are_not_written_as_their_bytes_have_no_layout(output):
    answer = result(output)
    assert SERVICE._lay_out(answer) is None
    assert SERVICE._lay_out(result(output, ("z", "FP32", np.ones(2, np.float32)))) is None
