import pytest

from protos import open_inference_pb2 as pb
from serving.errors import InvalidInputError, UnsupportedError
from serving.services.open_inference import request_parameters


def made(**values):
    request = pb.ModelInferRequest()
    for name, (kind, value) in values.items():
        setattr(request.parameters[name], kind, value)
    return request.parameters


@pytest.mark.parametrize("kind", ["int64_param", "uint64_param"])
def test_numbers_come_in_either_integer_type(kind):
    assert request_parameters.priority(made(priority=(kind, 3))) == 3
    assert request_parameters.timeout(made(timeout=(kind, 2_500_000))) == pytest.approx(2.5)


def test_what_does_not_come_is_zero():
    assert (
        request_parameters.priority({}),
        request_parameters.timeout({}),
        request_parameters.location({}),
    ) == (0, 0.0, None)


@pytest.mark.parametrize(
    "value", [("string_param", "3"), ("double_param", 3.0), ("bool_param", True), ("int64_param", -1)]
)
def test_anything_but_a_whole_number_from_zero_is_refused(value):
    with pytest.raises(InvalidInputError, match="'priority' must be a whole number from 0"):
        request_parameters.priority(made(priority=value))


@pytest.mark.parametrize("value", [("int64_param", 5), ("uint64_param", 5), ("string_param", "five")])
def test_a_part_of_a_sequence_is_refused(value):
    with pytest.raises(UnsupportedError, match="takes no sequence_id"):
        request_parameters.refuse_sequences(made(sequence_id=value))


@pytest.mark.parametrize("value", [("int64_param", 0), ("string_param", "")])
def test_no_sequence_is_none(value):
    request_parameters.refuse_sequences(made(sequence_id=value))


def test_a_place_that_is_written_is_read_again():
    location = request_parameters.TensorLocation("region", 8, 64)
    written = made()
    request_parameters.write_location(written, location, 64)
    assert request_parameters.location(written) == location


def test_a_place_needs_its_size():
    with pytest.raises(InvalidInputError, match="needs the parameter shared_memory_byte_size"):
        request_parameters.location(made(shared_memory_region=("string_param", "r")))


def test_classes_are_counted_from_one():
    request = pb.ModelInferRequest()
    for name, count in (("y", 2), ("z", None), ("w", 0)):
        output = request.outputs.add(name=name)
        if count is not None:
            output.parameters["classification"].int64_param = count
    assert request_parameters.classes(request.outputs[:2]) == {"y": 2}
    with pytest.raises(InvalidInputError, match="output 'w': classification must be 1 or more"):
        request_parameters.classes(request.outputs)
