import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from protos import open_inference_pb2 as pb
from protos import tensorflow_serving_pb2 as tf
from serving.errors import InvalidInputError
from serving.services import element_limits
from serving.services.element_count import MAX_FIELDS, ElementCount
from serving.services.element_limits import MAX_ELEMENTS, MAX_NUMBERS
from serving.varint import read_number, write_number

INFER = ElementCount(pb.ModelInferRequest.DESCRIPTOR)
PREDICT = ElementCount(tf.PredictRequest.DESCRIPTOR)


def field(number, data):
    return write_number(number << 3 | 2) + write_number(len(data)) + data


def request(**fields):
    return pb.ModelInferRequest(model_name="m", **fields).SerializeToString()


@pytest.mark.parametrize(
    ("field", "element"),
    [("inputs", {}), ("outputs", {}), ("raw_input_contents", b""), ("inputs", {"name": "x" * 300})],
)
def test_as_many_elements_as_are_allowed_pass_and_one_more_is_named_with_the_bound(field, element):
    assert INFER.check(request(**{field: [element] * MAX_ELEMENTS}))
    with pytest.raises(
        InvalidInputError,
        match=f"'{field}' has {MAX_ELEMENTS + 1} elements or more.*{MAX_ELEMENTS} are the most",
    ):
        INFER.check(request(**{field: [element] * (MAX_ELEMENTS + 1)}))


def test_elements_are_counted_over_all_that_they_stand_in():
    each = {"parameters": {str(at): {} for at in range(MAX_ELEMENTS // 8 + 1)}}
    assert INFER.check(request(inputs=[each] * 7))
    with pytest.raises(InvalidInputError, match="'parameters'"):
        INFER.check(request(inputs=[each] * 8))


def test_a_map_is_counted_by_its_entries_though_their_keys_are_the_same():
    with pytest.raises(InvalidInputError, match="'inputs'"):
        PREDICT.check(field(2, b"") * (MAX_ELEMENTS + 1))


def test_dimensions_of_tensorflows_shapes_are_counted():
    dims = field(2, field(1, b"x") + field(2, field(2, field(2, b"") * (MAX_ELEMENTS + 1))))
    with pytest.raises(InvalidInputError, match="'dim'"):
        PREDICT.check(dims)


@pytest.mark.parametrize("packed", [True, False])
def test_sizes_are_counted_packed_and_one_by_one(packed):
    def shape(count):
        sizes = field(3, b"\x81\x01" * count) if packed else b"\x18\x81\x01" * count
        return field(5, sizes)

    assert INFER.check(shape(MAX_NUMBERS))
    with pytest.raises(InvalidInputError, match="'shape'"):
        INFER.check(shape(MAX_NUMBERS + 1))


def test_numbers_of_a_tensor_are_one_field_however_many_they_are():
    inputs = [{"contents": {"fp32_contents": [1.0] * 1_000_000, "int64_contents": [1] * 1_000_000}}]
    assert INFER.check(request(inputs=inputs), 100)
    predict = tf.PredictRequest()
    predict.inputs["x"].float_val.extend([1.0] * 1_000_000)
    assert PREDICT.check(predict.SerializeToString(), 100)


def test_texts_of_a_tensor_may_be_hundreds_of_thousands_and_not_millions():
    predict = tf.PredictRequest()
    predict.inputs["x"].string_val.extend([b"text"] * 250_000)
    assert PREDICT.check(predict.SerializeToString())
    predict.inputs["y"].string_val.extend([b"text"] * 20_000)
    with pytest.raises(InvalidInputError, match=f"more than {MAX_FIELDS} fields"):
        PREDICT.check(predict.SerializeToString())


def test_a_walk_that_is_not_to_go_on_says_so():
    data = request(raw_input_contents=[b""] * 100)
    assert INFER.check(data, 101)
    assert not INFER.check(data, 100)


def test_groups_are_walked_over_as_fields():
    group = b"\x7b" * 5000 + b"\x7c" * 5000  # field 15, in itself
    assert INFER.check(group + request())
    assert not INFER.check(group, 5000)
    with pytest.raises(InvalidInputError, match="'inputs'"):
        INFER.check(group + request(inputs=[{}] * (MAX_ELEMENTS + 1)))


def test_elements_behind_a_tag_that_is_written_longer_than_needed_are_counted():
    with pytest.raises(InvalidInputError, match="'inputs'"):
        INFER.check(b"\xaa\x80\x00\x80\x00" * (MAX_ELEMENTS + 1))
    assert len(pb.ModelInferRequest.FromString(b"\xaa\x80\x00\x80\x00" * 3).inputs) == 3


@pytest.mark.parametrize("data", [b"\x00\x00", b"\x02\x00", b"\x0e", b"\x0f", b"\x2c", b"\x2b\x2f"])
def test_a_field_that_cannot_be_is_no_protobuf(data):
    with pytest.raises(DecodeError):
        INFER.check(data)
    with pytest.raises(DecodeError):
        pb.ModelInferRequest.FromString(data)


@pytest.mark.parametrize(
    "data", [b"\x2a", b"\x2a\x05", b"\x80" * 20, b"\x2a" + b"\xff" * 20, b"\x08", b"\x2a\x02\x1a\x05"]
)
def test_what_ends_too_early_is_left_to_the_parser(data):
    assert INFER.check(data)
    with pytest.raises(DecodeError):
        pb.ModelInferRequest.FromString(data)


@given(
    st.lists(st.tuples(st.sampled_from([4, 5, 6, 7, 9, 15]), st.binary(max_size=6)), max_size=30),
    st.binary(max_size=20),
)
def test_whatever_comes_is_counted_as_the_parser_finds_it(fields, behind):
    """No message holds more elements than were counted: with bounds that low, what passes has no more."""
    data = b"".join(field(number, value) for number, value in fields) + behind
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(element_limits, "MAX_ELEMENTS", 3)
        patched.setattr(element_limits, "MAX_NUMBERS", 3)
        count = ElementCount(pb.ModelInferRequest.DESCRIPTOR)
    try:
        count.check(data)
        message = pb.ModelInferRequest.FromString(data)
    except (InvalidInputError, DecodeError):
        return
    assert max(len(message.inputs), len(message.outputs), len(message.parameters)) <= 3
    assert sum(len(each.shape) for each in message.inputs) <= 3
    assert sum(len(each.parameters) for each in [*message.inputs, *message.outputs]) <= 3


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_a_number_is_read_as_it_was_written(number, behind):
    written = write_number(number)
    assert read_number(written + behind, 0) == (number, len(written))


def test_a_number_without_an_end_is_none():
    for data in (b"", b"\x80", b"\xff" * 11):
        with pytest.raises(IndexError):
            read_number(data, 0)
