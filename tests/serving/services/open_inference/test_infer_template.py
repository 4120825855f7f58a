import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from protos import open_inference_pb2 as pb
from serving.dataplane.messages import InferResult
from serving.dataplane.shared_memory import SharedMemory
from serving.runtimes.runtime import TensorSpec
from serving.services.open_inference import infer_template, tensor_messages
from serving.services.request_templates import RequestTemplates

OFF = SharedMemory(allowed=False)
NAMES = st.text("abcxyz_", min_size=1, max_size=8)
IDS = st.one_of(st.just(""), st.text(max_size=4), st.text("0123456789abcdef-", max_size=140))
PARAMETERS = st.dictionaries(st.sampled_from(["priority", "timeout", "other"]), st.integers(0, 9), max_size=2)
SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=4)


def typed(tensor, values):
    tensor.datatype = "FP32" if values.dtype == np.float32 else "FP64"
    field = tensor.contents.fp32_contents if values.dtype == np.float32 else tensor.contents.fp64_contents
    field.extend(values.tolist())


def message(sizes=(8,), model="m", outputs=("y",), fill=1, kind="raw", request_id="", parameters=()):
    made = pb.ModelInferRequest(model_name=model, model_version="3", id=request_id)
    for name, value in dict(parameters).items():
        made.parameters[name].int64_param = value
    for at, size in enumerate(sizes):
        tensor = made.inputs.add(name=f"x{at}", datatype="UINT8", shape=[1, size])
        tensor.parameters["of_the_input"].bool_param = True
        numbers = (np.arange(size) + fill + at) % 256
        if kind == "raw":
            made.raw_input_contents.append(numbers.astype(np.uint8).tobytes())
        else:
            typed(tensor, numbers.astype(kind))
    for name in outputs:
        made.outputs.add(name=name).parameters["binary_data"].bool_param = True
    return made


def templates():
    return RequestTemplates(infer_template.make_template, infer_template.id_range)


def taught(data):
    """What has seen a message twice."""
    made = templates()
    for _ in range(2):
        made.learn(data, pb.ModelInferRequest.FromString(data))
    return made


def asked(found, data, deadline=None):
    template, id_field = found
    return template.infer_request(data, len(id_field), deadline)


def numbers_of(request):
    """The elements of each input, whether they came raw or typed."""
    types = {"FP32": "<f4", "FP64": "<f8"}
    raw = request.raw or [None] * len(request.inputs)
    numbers = []
    for content, tensor in zip(raw, request.inputs, strict=True):
        element = types.get(tensor.datatype, "u1")
        array = np.array(tensor.values, element) if content is None else np.frombuffer(content, element)
        # A signalling NaN becomes a quiet one on its way through Python's numbers.
        numbers.append(np.where(np.isnan(array), np.nan, array).astype(element).tobytes())
    return numbers


def says_the_same(given_, expected):
    same = ("model", "version", "outputs", "deadline", "priority", "timeout", "signature")
    assert all(getattr(given_, name) == getattr(expected, name) for name in same)
    assert (given_.classes or {}) == (expected.classes or {})
    described = [
        [(each.name, each.datatype, each.shape) for each in request.inputs] for request in (given_, expected)
    ]
    assert described[0] == described[1]
    assert numbers_of(given_) == numbers_of(expected)


@settings(deadline=None, max_examples=200)
@given(
    SIZES, NAMES, st.lists(NAMES, max_size=3, unique=True), st.tuples(st.integers(0, 255), st.integers(0, 255)),
    st.sampled_from(["raw", "float32", "float64"]), PARAMETERS, IDS, IDS,
)  # fmt: skip
def test_a_repeat_asks_what_its_message_says(sizes, model, outputs, fills, kind, parameters, first, second):
    assume(all(not name or (len(name) < 128 and name.isascii()) for name in (first, second)))
    known = message(sizes, model, outputs, fills[0], kind, first, parameters).SerializeToString()
    again = message(sizes, model, outputs, fills[1], kind, second, parameters)
    data = again.SerializeToString()
    found = taught(known).find(data)
    assert found is not None
    assert infer_template.id_text(found[1]) == second
    says_the_same(asked(found, data, 7.0), tensor_messages.to_infer_request(again, 7.0, OFF))


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_what_matches_is_what_protobuf_reads(data):
    """Any change of any byte either ends the match or changes a payload or the id, as protobuf sees it too."""
    kind = data.draw(st.sampled_from(["raw", "float32"]))
    known = message((5, 40), kind=kind, request_id=data.draw(st.sampled_from(["", "17"])))
    templates = taught(known.SerializeToString())
    changed = bytearray(known.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        if data.draw(st.booleans()):
            changed[at] = data.draw(st.integers(0, 255))
        else:
            changed[at:at] = data.draw(st.binary(max_size=6) | st.just(b"\x1a\x02ab") | st.just(b"\x1a\x00"))
    found = templates.find(bytes(changed))
    if found is not None:
        read = pb.ModelInferRequest.FromString(bytes(changed))
        assert infer_template.id_text(found[1]) == read.id
        given_, expected = asked(found, bytes(changed)), tensor_messages.to_infer_request(read, None, OFF)
        says_the_same(given_, expected)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_crafted_message_is_never_misread(data):
    """Fields in any order, repeated, unknown, nested: what becomes a template reads as protobuf does."""
    pieces = [
        b"\x0a\x01m", b"\x12\x013", b"\x1a\x01a", b"\x1a\x00", b"\x3a\x04abcd", b"\x3a\x08abcdefgh", b"\x78\x01",
        b"\x2a\x0c\x0a\x01x\x12\x04FP32\x1a\x01\x01", b"\x2a\x0c\x0a\x01x\x12\x05UINT8\x1a\x00",
        b"\x2a\x14\x0a\x01x\x12\x04FP32\x1a\x01\x01\x2a\x06\x32\x04abcd",
        b"\x2a\x1c\x0a\x01x\x12\x04FP32\x1a\x01\x01\x2a\x06\x32\x04abcd\x2a\x06\x32\x04abcd",
        b"\x2a\x13\x0a\x01x\x12\x04FP32\x1a\x01\x01\x2a\x05\x35abcd", b"\xa2\x06\x06\x3a\x04abcd",
    ]  # fmt: skip
    crafted = b"".join(data.draw(st.lists(st.sampled_from(pieces), max_size=8)))
    read = pb.ModelInferRequest.FromString(crafted)
    made = templates()
    for _ in range(2):
        made.learn(crafted, read)
    found = made.find(crafted)
    if found is not None:
        assert infer_template.id_text(found[1]) == read.id
        says_the_same(asked(found, crafted), tensor_messages.to_infer_request(read, None, OFF))


@pytest.mark.parametrize("request_id", ["é", "a" * 128])
def test_an_id_that_is_not_short_ascii_text_is_parsed(request_id):
    data = message(request_id=request_id).SerializeToString()
    assert taught(data).find(data) is None
    assert taught(message().SerializeToString()).find(data) is None


def test_an_id_that_is_not_valid_text_is_left_to_the_parser():
    known = taught(message(request_id="ab").SerializeToString())
    data = message(request_id="ab").SerializeToString().replace(b"\x1a\x02ab", b"\x1a\x02\xff\xfe")
    assert known.find(data) is None


def with_shared_memory(made):
    made.inputs[0].parameters["shared_memory_region"].string_param = "r"
    made.inputs[0].parameters["shared_memory_byte_size"].int64_param = 8


def with_an_output_in_shared_memory(made):
    made.outputs[0].parameters["shared_memory_region"].string_param = "r"
    made.outputs[0].parameters["shared_memory_byte_size"].int64_param = 8


def with_typed_contents_beside_raw_ones(made):
    made.inputs[0].contents.uint_contents.append(1)


def without_contents(made):
    del made.raw_input_contents[:]


def with_too_many_contents(made):
    made.raw_input_contents.append(b"1")


@pytest.mark.parametrize(
    "change",
    [
        with_shared_memory, with_an_output_in_shared_memory, with_typed_contents_beside_raw_ones,
        without_contents, with_too_many_contents,
    ],
)  # fmt: skip
def test_a_message_whose_tensors_are_elsewhere_is_not_remembered(change):
    made = message()
    change(made)
    data = made.SerializeToString()
    assert taught(data).find(data) is None


def test_typed_integers_are_parsed():
    made = message()
    made.inputs[0].contents.uint_contents.extend(made.raw_input_contents.pop())
    data = made.SerializeToString()
    assert taught(data).find(data) is None


def test_classification_is_part_of_a_template():
    made = message()
    made.outputs[0].parameters["classification"].int64_param = 2
    data = made.SerializeToString()
    assert asked(taught(data).find(data), data).classes == {"y": 2}


def results(version, *outputs):
    specs = tuple(TensorSpec(name, datatype, (-1,)) for name, datatype, _ in outputs)
    return InferResult("m", version, specs, [array for _, _, array in outputs])


@pytest.mark.parametrize("request_id", ["", "x1"])
@pytest.mark.parametrize(
    "outputs",
    [
        [("y", "FP32", np.arange(200, dtype=np.float32).reshape(2, 100))],
        [("y", "FP32", np.float32(3.5).reshape(())), ("z", "INT64", np.arange(3))],
        [("y", "FP16", np.zeros((0, 4), np.float16))],
    ],
)
def test_an_answer_is_the_bytes_that_protobuf_writes(outputs, request_id):
    result, made = results("3", *outputs), message(request_id=request_id)
    data = made.SerializeToString()
    layout = infer_template.lay_out(result)
    expected = tensor_messages.from_infer_result(result, made, OFF).SerializeToString()
    start, end = infer_template.id_range(data)
    assert layout.serialize([array.tobytes() for array in result.arrays], data[start:end]) == expected
    assert layout.size == len(expected) - (end - start)


def test_texts_have_no_layout():
    assert infer_template.lay_out(results("3", ("y", "BYTES", np.array([b"ab"], np.object_)))) is None
