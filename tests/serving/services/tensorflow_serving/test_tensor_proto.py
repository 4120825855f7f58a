import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import tensorflow_core_pb2 as core
from serving.datatypes import NUMPY, pack_bytes
from serving.errors import InvalidInputError
from serving.services.tensorflow_serving import tensor_proto, tensor_types
from serving.services.tensorflow_serving.tensor_proto import MemoryBudget, wire_form

NUMERIC = [name for name in NUMPY if name != "BYTES"]


def proto(dtype, sizes, **fields):
    dims = [core.TensorShapeProto.Dim(size=size) for size in sizes]
    return core.TensorProto(dtype=dtype, tensor_shape=core.TensorShapeProto(dim=dims), **fields)


def read(tensor, size=1 << 20):
    return bytes(wire_form("x", tensor, MemoryBudget(size)))


def elements(datatype, count):
    """Some values of a datatype as its list holds them, and their wire form."""
    dtype = NUMPY[datatype]
    array = (np.arange(count) % 2).astype(dtype) if datatype == "BOOL" else np.arange(count).astype(dtype)
    listed = array.view(np.uint16) if datatype == "FP16" else array
    return listed.tolist(), array.tobytes()


def test_every_datatype_has_a_type_and_a_list():
    assert set(tensor_types.TYPES) == set(tensor_proto.FIELDS) == set(NUMPY)
    assert set(tensor_types.FIELDS.values()) <= {field.name for field in core.TensorProto.DESCRIPTOR.fields}
    assert len(set(tensor_types.TYPES.values())) == len(NUMPY)


@pytest.mark.parametrize("datatype", NUMERIC)
def test_content_and_list_mean_the_same(datatype):
    values, wire = elements(datatype, 6)
    dtype, field = tensor_types.TYPES[datatype], tensor_proto.FIELDS[datatype]
    assert read(proto(dtype, (2, 3), tensor_content=wire)) == wire
    assert read(proto(dtype, (2, 3), **{field: values})) == wire


@pytest.mark.parametrize("datatype", NUMERIC)
def test_the_last_of_a_short_list_stands_for_all_that_follow(datatype):
    values, wire = elements(datatype, 3)
    field = tensor_types.FIELDS[datatype]
    size = NUMPY[datatype].itemsize
    found = read(proto(tensor_types.TYPES[datatype], (5,), **{field: values}))
    assert found == wire + wire[-size:] * 2


@pytest.mark.parametrize("datatype", NUMERIC)
def test_an_empty_list_stands_for_zeros(datatype):
    assert read(proto(tensor_types.TYPES[datatype], (2, 2))) == bytes(4 * NUMPY[datatype].itemsize)


def test_halves_travel_as_bit_patterns():
    found = np.frombuffer(read(proto(core.DT_HALF, (3,), half_val=[0x3C00, 0xC000])), np.float16)
    assert found.tolist() == [1.0, -2.0, -2.0]
    found = np.frombuffer(read(proto(core.DT_BFLOAT16, (1,), half_val=[0x3F80])), np.uint16)
    assert found.tolist() == [0x3F80]


def test_strings_are_packed_and_repeated():
    strings = [b"a", b"\xff\x00"]
    assert read(proto(core.DT_STRING, (2,), string_val=strings)) == pack_bytes(np.array(strings, object))
    repeated = np.array([*strings, strings[1]], object)
    assert read(proto(core.DT_STRING, (3,), string_val=strings)) == pack_bytes(repeated)
    assert read(proto(core.DT_STRING, (2,))) == bytes(8)


def test_content_is_handed_on_as_it_came():
    """Its length is the dataplane's to judge: it knows the model."""
    assert read(proto(core.DT_FLOAT, (3,), tensor_content=b"1234567")) == b"1234567"


@pytest.mark.parametrize(
    ("tensor", "error"),
    [
        (proto(core.DT_FLOAT, (2,), float_val=[1, 2, 3]), "'x' has 2 elements by its shape; got 3"),
        (
            proto(core.DT_FLOAT, (2,), double_val=[1]),
            "DT_FLOAT takes .*float_val or tensor_content; got double_val",
        ),
        (
            proto(core.DT_FLOAT, (1,), float_val=[1], tensor_content=b"1234"),
            "got .*float_val and|and float_val",
        ),
        (
            proto(core.DT_STRING, (1,), tensor_content=b"\x01a"),
            "takes its elements in string_val; got tensor_content",
        ),
        (proto(core.DT_INT8, (1,), int_val=[300]), "element is out of range for INT8"),
        (proto(core.DT_UINT8, (1,), int_val=[-1]), "element is out of range for UINT8"),
        (proto(core.DT_HALF, (1,), half_val=[1 << 16]), "element is out of range for FP16"),
        (
            proto(core.DT_COMPLEX64, (1,), scomplex_val=[1, 0]),
            "type DT_COMPLEX64; the models here take DT_BOOL",
        ),
        (core.TensorProto(), "of type DT_INVALID"),
        (core.TensorProto(dtype=99), "of type 99"),
        (proto(core.DT_FLOAT, (-1, 2), float_val=[1]), "must state every size"),
        (proto(core.DT_STRING, (1 << 62,) * 100_000), "'x' has 100000 dimensions; at most 64 are possible"),
        (proto(core.DT_FLOAT, (1 << 62,) * 64), r"'x' takes \d+ bytes"),
        (
            core.TensorProto(
                dtype=core.DT_FLOAT, tensor_shape=core.TensorShapeProto(unknown_rank=True), float_val=[1]
            ),
            "must state every size",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(tensor, error):
    with pytest.raises(InvalidInputError, match=error):
        read(tensor)


@pytest.mark.parametrize(
    "tensor",
    [
        proto(core.DT_FLOAT, (1 << 40,), float_val=[1]),
        proto(core.DT_INT64, (1 << 62, 1 << 62)),
        proto(core.DT_STRING, (1 << 40,), string_val=[b""]),
        proto(core.DT_STRING, (2, 600), string_val=[b"x" * 1000]),
    ],
)
def test_a_few_bytes_cannot_claim_much_memory(tensor):
    with pytest.raises(InvalidInputError, match=r"'x' takes \d+ bytes .* may take 1048576: send fewer rows"):
        read(tensor)


def test_all_inputs_share_one_budget():
    budget = MemoryBudget(1000)
    tensor = proto(core.DT_FLOAT, (200,), float_val=[1])
    wire_form("x", tensor, budget)
    with pytest.raises(InvalidInputError, match="'y' takes 800 bytes"):
        wire_form("y", tensor, budget)


EXTREMES = {
    "BOOL": [True, False],
    "FP16": [0.5, -65504.0, float("inf"), -0.0],
    "FP32": [3.4e38, -1e-45, float("nan"), float("-inf"), -0.0],
    "FP64": [1.7e308, -5e-324, float("nan"), float("-inf"), -0.0],
    "BF16": [0, 0x3F80, 0xFFFF],
}


def extremes(datatype):
    """The values of a datatype that are hardest to write."""
    dtype = NUMPY[datatype]
    if datatype in EXTREMES:
        return np.array(EXTREMES[datatype], dtype)
    return np.array([np.iinfo(dtype).min, 0, 127, np.iinfo(dtype).max], dtype)


@pytest.mark.parametrize("datatype", NUMERIC)
def test_outputs_stand_in_the_list_of_their_type_and_nowhere_else(datatype):
    values, wire = elements(datatype, 6)
    array = np.frombuffer(wire, NUMPY[datatype]).reshape(2, 3)
    tensor = core.TensorProto()
    tensor_proto.write(array, datatype, tensor)
    field = tensor_types.FIELDS[datatype]
    assert tensor.dtype == tensor_types.TYPES[datatype]
    assert [dim.size for dim in tensor.tensor_shape.dim] == [2, 3]
    assert list(getattr(tensor, field)) == values
    assert {each.name for each, _ in tensor.ListFields()} == {"dtype", "tensor_shape", field}


@pytest.mark.parametrize("datatype", NUMERIC)
def test_outputs_are_the_bytes_that_protobuf_writes_of_single_elements(datatype):
    array = extremes(datatype)
    written, expected = core.TensorProto(), core.TensorProto()
    tensor_proto.write(array, datatype, written)
    expected.dtype = tensor_types.TYPES[datatype]
    tensor_proto.write_shape(array.shape, expected.tensor_shape)
    listed = array.view(np.uint16) if datatype == "FP16" else array
    getattr(expected, tensor_types.FIELDS[datatype]).extend(listed.tolist())
    assert written.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    assert read(written) == array.tobytes()


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("datatype", NUMERIC)
def test_outputs_are_written_row_by_row_and_little_endian_however_they_lie_in_memory(datatype, content):
    _, wire = elements(datatype, 6)
    array = np.frombuffer(wire, NUMPY[datatype]).reshape(2, 3)
    swapped = array.astype(array.dtype.newbyteorder(">")).T
    tensor = core.TensorProto()
    tensor_proto.write(swapped, datatype, tensor, content=content)
    assert [dim.size for dim in tensor.tensor_shape.dim] == [3, 2]
    assert read(tensor) == array.T.tobytes()


@pytest.mark.parametrize("datatype", NUMERIC)
def test_outputs_without_elements_have_their_shape(datatype):
    tensor = core.TensorProto()
    tensor_proto.write(np.empty((0, 3), NUMPY[datatype]), datatype, tensor)
    assert [dim.size for dim in tensor.tensor_shape.dim] == [0, 3]
    assert not getattr(tensor, tensor_types.FIELDS[datatype])


def test_a_truth_that_is_neither_0_nor_1_in_memory_is_a_truth():
    tensor = core.TensorProto()
    tensor_proto.write(np.array([0, 2, 255], np.uint8).view(np.bool_), "BOOL", tensor)
    assert list(tensor.bool_val) == [False, True, True]


@pytest.mark.parametrize("datatype", NUMERIC)
def test_outputs_are_content_where_that_is_wanted(datatype):
    _, wire = elements(datatype, 6)
    array = np.frombuffer(wire, NUMPY[datatype]).reshape(2, 3)
    tensor = core.TensorProto()
    tensor_proto.write(array.T, datatype, tensor, content=True)
    assert tensor.dtype == tensor_types.TYPES[datatype]
    assert [dim.size for dim in tensor.tensor_shape.dim] == [3, 2]
    assert tensor.tensor_content == array.T.tobytes()
    assert {field.name for field, _ in tensor.ListFields()} == {"dtype", "tensor_shape", "tensor_content"}


def test_outputs_of_text_are_strings():
    tensor = core.TensorProto()
    tensor_proto.write(np.array([["é", b"\xff"]], object), "BYTES", tensor)
    assert list(tensor.string_val) == ["é".encode(), b"\xff"]
    assert not tensor.tensor_content


def test_a_scalar_has_a_shape_without_sizes():
    tensor = core.TensorProto()
    tensor_proto.write(np.float32(2.5).reshape(()), "FP32", tensor)
    assert tensor.HasField("tensor_shape")
    assert np.frombuffer(read(tensor), np.float32) == [2.5]


@given(st.lists(st.binary(max_size=5), max_size=4), st.integers(0, 3))
def test_strings_round_trip(strings, more):
    tensor = core.TensorProto()
    tensor_proto.write(np.array([*strings, None], object)[:-1], "BYTES", tensor)
    tensor.tensor_shape.dim[0].size += more
    last = strings[-1] if strings else b""
    assert read(tensor) == pack_bytes(np.array([*strings, *[last] * more, None], object)[:-1])
