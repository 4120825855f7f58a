import numpy as np
import pytest

from protos import open_inference_pb2 as pb
from serving.dataplane.messages import InferResult
from serving.dataplane.shared_memory import SharedMemory
from serving.datatypes import NUMPY, unpack_bytes
from serving.errors import InvalidInputError
from serving.runtimes.runtime import TensorSpec
from serving.services.open_inference import tensor_messages

OFF = SharedMemory(allowed=False)


def test_a_raw_request_is_carried_over():
    message = pb.ModelInferRequest(
        model_name="m", model_version="2", id="7", raw_input_contents=[b"12345678"]
    )
    message.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    message.outputs.add(name="y")
    request = tensor_messages.to_infer_request(message, 5.0, OFF)
    assert (request.model, request.version, request.outputs, request.deadline) == ("m", "2", ("y",), 5.0)
    (tensor,) = request.inputs
    assert (tensor.name, tensor.datatype, tensor.shape, tensor.values) == ("x", "FP32", (1, 2), None)
    assert list(request.raw) == [b"12345678"]


def test_every_datatype_but_the_16_bit_floats_has_a_typed_field():
    assert set(NUMPY) - set(tensor_messages.FIELDS) == {"FP16", "BF16"}
    fields = {field.name for field in pb.InferTensorContents.DESCRIPTOR.fields}
    assert set(tensor_messages.FIELDS.values()) == fields


@pytest.mark.parametrize(
    ("datatype", "values"),
    [("BOOL", [True]), ("INT8", [-3]), ("UINT64", [2**63]), ("FP64", [0.1]), ("BYTES", [b"\xff"])],
)
def test_typed_elements_are_carried_over(datatype, values):
    message = pb.ModelInferRequest()
    tensor = message.inputs.add(name="x", datatype=datatype, shape=[1])
    getattr(tensor.contents, tensor_messages.FIELDS[datatype]).extend(values)
    assert list(tensor_messages.to_infer_request(message, None, OFF).inputs[0].values) == values


def test_elements_in_a_field_of_another_datatype_are_refused():
    message = pb.ModelInferRequest()
    message.inputs.add(name="x", datatype="FP32", shape=[1]).contents.int_contents.append(1)
    with pytest.raises(InvalidInputError, match="'x' is of datatype FP32 and takes fp32_contents; got int_c"):
        tensor_messages.to_infer_request(message, None, OFF)


def test_elements_in_two_fields_are_refused():
    message = pb.ModelInferRequest()
    tensor = message.inputs.add(name="x", datatype="FP32", shape=[1])
    tensor.contents.fp32_contents.append(1)
    tensor.contents.fp64_contents.append(1)
    with pytest.raises(InvalidInputError, match="got fp32_contents, fp64_contents"):
        tensor_messages.to_infer_request(message, None, OFF)


def test_empty_contents_count_as_none():
    message = pb.ModelInferRequest()
    message.inputs.add(name="x", datatype="FP32", shape=[1]).contents.SetInParent()
    assert tensor_messages.to_infer_request(message, None, OFF).inputs[0].values is None


def test_answers_are_raw_and_echo_the_request_id():
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3).T, np.array([b"a", b""], np.object_)]
    specs = [TensorSpec("y", "FP32", (-1, 2)), TensorSpec("label", "BYTES", (-1,))]
    response = tensor_messages.from_infer_result(
        InferResult("m", "3", specs, arrays), pb.ModelInferRequest(id="id-9"), OFF
    )
    assert (response.model_name, response.model_version, response.id) == ("m", "3", "id-9")
    assert [(out.name, out.datatype, list(out.shape)) for out in response.outputs] == [
        ("y", "FP32", [3, 2]),
        ("label", "BYTES", [2]),
    ]
    assert (
        np.frombuffer(response.raw_output_contents[0], np.float32).reshape(3, 2).tolist()
        == arrays[0].tolist()
    )
    assert unpack_bytes(response.raw_output_contents[1], 2).tolist() == [b"a", b""]
    assert not any(out.HasField("contents") for out in response.outputs)


def test_the_wire_is_little_endian_whatever_the_array():
    assert tensor_messages.wire_form(np.array([1], ">i4"), "INT32") == b"\x01\x00\x00\x00"
