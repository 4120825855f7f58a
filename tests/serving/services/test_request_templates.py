import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protos import open_inference_pb2 as pb
from serving.dataplane.messages import InferResult
from serving.dataplane.shared_memory import SharedMemory
from serving.runtimes.runtime import TensorSpec
from serving.services.open_inference import tensor_messages
from serving.services.request_templates import (
    BUCKET_SIZE,
    BUCKETS,
    LONGEST_HEAD,
    RequestTemplates,
)

OFF = SharedMemory(allowed=False)
NAMES = st.text("abcxyz_", min_size=1, max_size=8)
SIZES = st.lists(st.integers(0, 300), min_size=1, max_size=4)


def message(sizes=(8,), model="m", outputs=("y",), fill=1):
    made = pb.ModelInferRequest(model_name=model, model_version="3")
    for at, size in enumerate(sizes):
        made.inputs.add(name=f"x{at}", datatype="UINT8", shape=[1, size])
        made.raw_input_contents.append(bytes((fill + at + each) % 256 for each in range(size)))
    for name in outputs:
        made.outputs.add(name=name)
    return made


def taught(*messages):
    """What has seen each of these messages twice; a message is their bytes."""
    templates = RequestTemplates()
    for each in messages:
        data = each if isinstance(each, bytes) else each.SerializeToString()
        for _ in range(2):
            templates.learn(data, pb.ModelInferRequest.FromString(data))
    return templates


def says_the_same(asked, expected):
    same = ("model", "version", "inputs", "outputs", "deadline", "priority", "timeout")
    assert all(getattr(asked, name) == getattr(expected, name) for name in same)
    assert [bytes(each) for each in asked.raw] == list(expected.raw)
    assert not asked.classes
    assert not expected.classes


@settings(deadline=None, max_examples=200)
@given(SIZES, NAMES, st.lists(NAMES, max_size=3), st.integers(0, 255), st.integers(0, 255))
def test_a_repeat_asks_what_its_message_says(sizes, model, outputs, first, second):
    templates = taught(message(sizes, model, outputs, first))
    again = message(sizes, model, outputs, second)
    data = again.SerializeToString()
    template = templates.find(data)
    assert template is not None
    says_the_same(template.to_infer_request(data, 7.0), tensor_messages.to_infer_request(again, 7.0, OFF))


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_what_differs_in_more_than_its_payloads_is_no_repeat(data):
    known = message((5, 200), outputs=("y", "z")).SerializeToString()
    templates = taught(known)
    payloads = {*range(len(known) - 200, len(known)), *range(len(known) - 208, len(known) - 203)}
    at = data.draw(st.sampled_from(sorted({*range(len(known))} - payloads)))
    changed = bytearray(known)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert templates.find(bytes(changed)) is None
    assert templates.find(known + b"\0") is None
    assert templates.find(known[:-1]) is None


def test_payloads_are_viewed_and_not_copied():
    data = message((64,)).SerializeToString()
    (raw,) = taught(data).find(data).to_infer_request(data, None).raw
    assert raw.obj is data


def test_a_message_is_remembered_when_it_comes_again():
    data = message().SerializeToString()
    templates = RequestTemplates()
    for expected in (False, True):
        assert templates.find(data) is None
        templates.learn(data, pb.ModelInferRequest.FromString(data))
        assert (templates.find(data) is not None) is expected


def with_id(made):
    made.id = "7"


def with_priority(made):
    made.parameters["priority"].uint64_param = 1


def with_shared_memory(made):
    made.inputs[0].parameters["shared_memory_region"].string_param = "r"


def with_classes(made):
    made.outputs[0].parameters["classification"].int64_param = 2


def with_typed_contents(made):
    made.inputs[0].contents.uint_contents.append(1)


def without_raw_contents(made):
    del made.raw_input_contents[:]


def with_too_many_contents(made):
    made.raw_input_contents.append(b"1")


def with_a_long_head(made):
    made.model_name = "m" * LONGEST_HEAD


@pytest.mark.parametrize(
    "change",
    [
        with_id, with_priority, with_shared_memory, with_classes, with_typed_contents, without_raw_contents,
        with_too_many_contents, with_a_long_head,
    ],
)  # fmt: skip
def test_a_message_with_more_than_raw_tensors_is_not_remembered(change):
    made = message()
    change(made)
    assert taught(made).find(made.SerializeToString()) is None


def test_contents_that_stand_elsewhere_are_not_taken_from_the_end():
    # Field 100 is unknown, and its value ends as a message does whose last field is the raw contents.
    raw = b"\x3a\x08" + message().raw_input_contents[0]
    disguised = message().SerializeToString() + b"\xa2\x06" + bytes([len(raw)]) + raw
    assert taught(disguised).find(disguised) is None
    # The payload comes first, the rest of the message after it.
    head = message()
    del head.raw_input_contents[:]
    reversed_ = raw + head.SerializeToString()
    assert pb.ModelInferRequest.FromString(reversed_) == message()
    assert taught(reversed_).find(reversed_) is None


def test_no_more_than_some_messages_are_remembered():
    messages = [
        message((size,)).SerializeToString() for size in range(130, 130 + (BUCKET_SIZE + 1) * BUCKETS)
    ]
    templates = taught(*messages)
    found = [templates.find(each) is not None for each in messages]
    assert sum(found) == BUCKET_SIZE * BUCKETS
    assert all(found[-BUCKET_SIZE * BUCKETS :])


def test_messages_of_one_length_are_remembered_beside_each_other():
    messages = [message(model=model) for model in ("stable", "canary")]
    templates = taught(*messages)
    for each in messages * 2:
        data = each.SerializeToString()
        says_the_same(
            templates.find(data).to_infer_request(data, None),
            tensor_messages.to_infer_request(each, None, OFF),
        )


def test_of_messages_of_one_length_the_oldest_is_forgotten():
    messages = [message(model=model).SerializeToString() for model in "abcdefg"[: BUCKET_SIZE + 1]]
    templates = taught(*messages)
    assert [templates.find(each) is not None for each in messages] == [False] + [True] * BUCKET_SIZE


def test_a_message_that_is_learnt_by_several_at_once_takes_one_place():
    others = [message(model=model).SerializeToString() for model in "abc"]
    same = [message(model="d").SerializeToString()] * BUCKET_SIZE
    templates = taught(*others, *same)
    assert all(templates.find(each) is not None for each in (*others, *same))


def results(version, *outputs):
    specs = tuple(TensorSpec(name, datatype, (-1,)) for name, datatype, _ in outputs)
    return InferResult("m", version, specs, [array for _, _, array in outputs])


@pytest.mark.parametrize(
    "outputs",
    [
        [("y", "FP32", np.arange(200, dtype=np.float32).reshape(2, 100))],
        [("y", "FP32", np.float32(3.5).reshape(())), ("z", "INT64", np.arange(3))],
        [("y", "INT32", np.arange(6, dtype=np.int32).reshape(2, 3).T), ("z", "INT16", np.array([1], ">i2"))],
        [("y", "BYTES", np.array([b"ab", b""], np.object_)), ("z", "BOOL", np.array([True, False]))],
        [("y", "FP16", np.zeros((0, 4), np.float16))],
    ],
)
def test_an_answer_is_the_bytes_that_protobuf_writes(outputs):
    data = message().SerializeToString()
    template = taught(data).find(data)
    result = results("3", *outputs)
    expected = tensor_messages.from_infer_result(result, message(), OFF).SerializeToString()
    assert [template.serialize(result) for _ in range(2)] == [expected, expected]


def test_an_answer_is_written_anew_when_its_shape_its_length_or_its_model_is_another():
    data = message().SerializeToString()
    template = taught(data).find(data)
    floats = results("3", ("y", "FP32", np.ones((1, 4), np.float32)))
    longer = InferResult("m", "3", floats.specs, [np.ones((2, 4), np.float32)])
    reloaded = results("4", ("y", "FP32", np.ones((1, 4), np.float32)))
    text = results("3", ("y", "BYTES", np.array([b"a"], np.object_)))
    more_text = InferResult("m", "3", text.specs, [np.array([b"abc"], np.object_)])
    for result in (floats, longer, reloaded, text, more_text, floats):
        expected = tensor_messages.from_infer_result(result, message(), OFF).SerializeToString()
        assert template.serialize(result) == expected
