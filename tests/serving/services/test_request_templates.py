from protos import open_inference_pb2 as pb
from serving.dataplane.shared_memory import SharedMemory
from serving.services.open_inference import infer_template, tensor_messages
from serving.services.request_templates import (
    BUCKET_SIZE,
    BUCKETS,
    LONGEST_HEAD,
    REFUSALS,
    RequestTemplates,
)

OFF = SharedMemory(allowed=False)


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
    templates = RequestTemplates(infer_template.make_template, infer_template.id_range)
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


def test_payloads_are_viewed_and_not_copied():
    data = message((64,)).SerializeToString()
    template, _ = taught(data).find(data)
    (raw,) = template.infer_request(data, 0, None).raw
    assert raw.obj is data


def test_a_message_is_remembered_when_it_comes_again():
    data = message().SerializeToString()
    templates = RequestTemplates(infer_template.make_template, infer_template.id_range)
    for expected in (False, True):
        assert templates.find(data) is None
        templates.learn(data, pb.ModelInferRequest.FromString(data))
        assert (templates.find(data) is not None) is expected


def test_a_message_with_a_long_head_is_not_remembered():
    data = message(model="m" * LONGEST_HEAD).SerializeToString()
    assert taught(data).find(data) is None


def test_after_a_message_that_is_no_template_some_are_not_looked_at(monkeypatch):
    odd, looked = message(model="é").SerializeToString() + b"\x78\x01", []
    templates = RequestTemplates(infer_template.make_template, infer_template.id_range)
    made = templates._make
    monkeypatch.setattr(templates, "_make", lambda *each: looked.append(1) or made(*each))
    for _ in range(2 + 2 * (REFUSALS + 1)):
        templates.learn(odd, pb.ModelInferRequest.FromString(odd))
    assert len(looked) == 3


def test_each_new_template_is_announced_once():
    data, told = message().SerializeToString(), []
    templates = RequestTemplates(infer_template.make_template, infer_template.id_range)
    templates.learned = told.append
    for _ in range(4):
        templates.learn(data, message())
    assert told == [templates.find(data)[0]]


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
            templates.find(data)[0].infer_request(data, 0, None),
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
