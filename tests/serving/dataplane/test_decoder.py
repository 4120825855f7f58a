import numpy as np
import pytest

from serving.dataplane.decoder import Decoder
from serving.dataplane.input_decoder import BESIDE_EMPTY, REMEMBERED_SHAPES
from serving.dataplane.messages import InferRequest, InputTensor
from serving.datatypes import NUMPY, pack_bytes
from serving.errors import InvalidInputError
from serving.repository.config import ModelConfig
from serving.repository.model import LoadedModel
from serving.runtimes.runtime import TensorSpec

Y = TensorSpec("y", "FP32", (-1, 2))


class Described:
    """A runtime that is only described."""

    def __init__(self, inputs, outputs, *, takes_empty=True):
        self.inputs, self.outputs, self.takes_empty = inputs, outputs, takes_empty


def decoder(*inputs, max_batch_size=8, outputs=(Y,), takes_empty=True):
    config = ModelConfig(max_batch_size=max_batch_size)
    return Decoder(LoadedModel("m", "1", Described(inputs, outputs, takes_empty=takes_empty), config, None))


X = TensorSpec("x", "FP32", (-1, 2))


def raw_request(array, *, name="x", datatype="FP32", shape=None, data=None, outputs=()):
    tensor = InputTensor(name, datatype, tuple(array.shape if shape is None else shape))
    return InferRequest("m", "", [tensor], [array.tobytes() if data is None else data], outputs)


def typed_request(values, *, datatype="FP32", shape=(1, 2)):
    return InferRequest("m", "", [InputTensor("x", datatype, shape, values)])


ONES = np.ones((3, 2), np.float32)


def test_a_raw_tensor_is_viewed_and_not_copied():
    data = ONES.tobytes()
    job = decoder(X).decode(raw_request(ONES, data=data))
    assert job.rows == 3
    assert job.outputs == ("y",)
    np.testing.assert_array_equal(job.inputs["x"], ONES)
    assert np.shares_memory(job.inputs["x"], np.frombuffer(data, np.uint8))


def test_a_memoryview_is_as_good_as_bytes():
    job = decoder(X).decode(raw_request(ONES, data=memoryview(ONES.tobytes())))
    np.testing.assert_array_equal(job.inputs["x"], ONES)


@pytest.mark.parametrize(
    ("datatype", "values", "dtype"),
    [
        ("BOOL", [True, False], np.bool_),
        ("INT8", [-128, 127], np.int8),
        ("UINT16", [0, 65535], np.uint16),
        ("INT64", [-(2**63), 2**63 - 1], np.int64),
        ("UINT64", [0, 2**64 - 1], np.uint64),
        ("FP32", [0.5, float("inf")], np.float32),
        ("FP64", [0.1, -1e300], np.float64),
    ],
)
def test_typed_elements_become_the_models_datatype(datatype, values, dtype):
    job = decoder(TensorSpec("x", datatype, (-1, 2))).decode(typed_request(values, datatype=datatype))
    assert job.inputs["x"].dtype == dtype
    assert job.inputs["x"].tolist() == [values]


@pytest.mark.parametrize(("datatype", "value"), [("INT8", 128), ("UINT8", -1), ("INT16", 2**20)])
def test_a_typed_element_out_of_range_is_refused(datatype, value):
    with pytest.raises(InvalidInputError, match=f"'x'.*out of range for {datatype}"):
        decoder(TensorSpec("x", datatype, (-1, 2))).decode(typed_request([0, value], datatype=datatype))


def test_strings_come_raw_or_typed():
    spec = TensorSpec("x", "BYTES", (-1, 2))
    elements = np.array([[b"one", b"\x00\xff"]], np.object_)
    raw = raw_request(elements, datatype="BYTES", data=pack_bytes(elements))
    for request in (raw, typed_request([b"one", b"\x00\xff"], datatype="BYTES")):
        assert decoder(spec).decode(request).inputs["x"].tolist() == elements.tolist()


def test_strings_that_lie_about_their_length_are_refused():
    request = raw_request(np.empty((1, 2)), datatype="BYTES", data=b"\x01\x00\x00\x00a\xff\xff\xff\xff")
    with pytest.raises(InvalidInputError, match="input 'x': element 1 claims 4294967295 bytes"):
        decoder(TensorSpec("x", "BYTES", (-1, 2))).decode(request)


def test_raw_booleans_are_made_clean():
    spec = TensorSpec("x", "BOOL", (-1, 2))
    job = decoder(spec).decode(raw_request(np.empty((1, 2)), datatype="BOOL", data=b"\x02\x00"))
    assert job.inputs["x"].tobytes() == b"\x01\x00"


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_sixteen_bit_floats_travel_raw_only(datatype):
    decode = decoder(TensorSpec("x", datatype, (-1, 2))).decode
    assert decode(raw_request(np.ones((1, 2), np.uint16), datatype=datatype)).rows == 1
    with pytest.raises(InvalidInputError, match=f"{datatype} travels raw only"):
        decode(typed_request([1.0, 2.0], datatype=datatype))


@pytest.mark.parametrize(
    "shape",
    [(), (2,), (1, 3), (1, 2, 1), (-1, 2), (0, 2), (1, -2), (2**62, 2**62), (1, 0), (-(2**63), 2)],
)
def test_a_shape_that_does_not_fit_is_refused_and_both_are_named(shape):
    with pytest.raises(InvalidInputError, match=r"'x' has shape \[-1,2\].*got \[|at most 8"):
        decoder(X).decode(raw_request(ONES, shape=shape))


def test_a_shape_of_a_million_sizes_is_told_in_short():
    with pytest.raises(InvalidInputError) as refused:
        decoder(X).decode(raw_request(ONES, shape=(1,) * 1_000_000))
    assert str(refused.value).endswith(",... 1000000 sizes]")
    assert len(str(refused.value)) < 300


def test_a_product_that_overflows_64_bits_does_not_wrap_around():
    spec = TensorSpec("x", "FP32", (-1, -1, -1))
    with pytest.raises(InvalidInputError, match="takes 73786976294838206464 bytes; got 0"):
        decoder(spec).decode(raw_request(ONES, shape=(1, 2**32, 2**32), data=b""))
    with pytest.raises(InvalidInputError, match="has 18446744073709551616 elements; got 1"):
        decoder(spec).decode(typed_request([1.0], shape=(1, 2**32, 2**32)))


@pytest.mark.parametrize("size", [0, 4, 23, 25, 48])
def test_a_byte_count_that_does_not_fit_is_refused_and_both_are_named(size):
    with pytest.raises(InvalidInputError, match=rf"'x' of shape \[3,2\].*FP32 takes 24 bytes; got {size}"):
        decoder(X).decode(raw_request(ONES, data=bytes(size)))


def test_a_count_of_typed_elements_that_does_not_fit_is_refused():
    with pytest.raises(InvalidInputError, match=r"'x' of shape \[1,2\] has 2 elements; got 3"):
        decoder(X).decode(typed_request([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("datatype", ["FP64", "fp32", "", "FLOAT"])
def test_another_datatype_is_refused_and_both_are_named(datatype):
    with pytest.raises(InvalidInputError, match=f"'x' is of datatype FP32; got {datatype or 'none'}"):
        decoder(X).decode(raw_request(ONES, datatype=datatype))


def test_more_rows_than_a_batch_holds_are_refused():
    assert decoder(X).decode(raw_request(np.ones((8, 2), np.float32))).rows == 8
    with pytest.raises(InvalidInputError, match="'x' has 9 rows; at most 8"):
        decoder(X).decode(raw_request(np.ones((9, 2), np.float32)))


def test_64_rows_that_nobody_stated_bound_no_request():
    runtime = Described((X,), (Y,))
    model = LoadedModel("m", "1", runtime, ModelConfig().completed(runtime), None)
    assert model.max_batch_size == 64
    assert Decoder(model).decode(raw_request(np.ones((100, 2), np.float32))).rows == 100


def test_an_input_without_data_is_refused():
    with pytest.raises(InvalidInputError, match="'x' came without data"):
        decoder(X).decode(typed_request(None))


def test_an_input_both_raw_and_typed_is_refused():
    request = raw_request(ONES)
    request.inputs[0].values = [1.0] * 6
    with pytest.raises(InvalidInputError, match="'x' came both raw and typed"):
        decoder(X).decode(request)


@pytest.mark.parametrize("count", [1, 3])
def test_raw_contents_must_be_as_many_as_inputs(count):
    request = raw_request(ONES)
    request.inputs = [request.inputs[0]] * 2
    request.raw = [ONES.tobytes()] * count
    with pytest.raises(InvalidInputError, match=f"{count} raw contents came for 2 inputs"):
        decoder(X).decode(request)


def test_an_unknown_input_is_told_which_there_are():
    with pytest.raises(InvalidInputError, match="model 'm' has no input 'z'; it has 'x'"):
        decoder(X).decode(raw_request(ONES, name="z"))


def test_an_input_that_comes_twice_is_refused():
    request = raw_request(ONES)
    request.inputs, request.raw = request.inputs * 2, request.raw * 2
    with pytest.raises(InvalidInputError, match="'x' came twice"):
        decoder(X).decode(request)


def test_a_missing_input_is_named():
    two = decoder(X, TensorSpec("z", "FP32", (-1, 2)))
    with pytest.raises(InvalidInputError, match="needs 'z' too; came 'x'"):
        two.decode(raw_request(ONES))
    with pytest.raises(InvalidInputError, match="needs 'x', 'z' too; came nothing"):
        two.decode(InferRequest("m", "", []))


def test_inputs_must_have_the_same_number_of_rows():
    two = decoder(X, TensorSpec("z", "FP32", (-1, 2)))
    tensors = [InputTensor("x", "FP32", (3, 2)), InputTensor("z", "FP32", (1, 2))]
    request = InferRequest("m", "", tensors, [ONES.tobytes(), ONES[:1].tobytes()])
    with pytest.raises(InvalidInputError, match="same number of rows; 'x' has 3, 'z' has 1"):
        two.decode(request)


def test_inputs_may_come_in_any_order():
    two = decoder(X, TensorSpec("z", "FP32", (-1, 2)))
    tensors = [InputTensor("z", "FP32", (1, 2)), InputTensor("x", "FP32", (1, 2))]
    job = two.decode(InferRequest("m", "", tensors, [ONES[:1].tobytes(), (2 * ONES[:1]).tobytes()]))
    assert job.inputs["z"][0, 0] == 1
    assert job.inputs["x"][0, 0] == 2


def test_outputs_are_those_asked_for():
    both = tuple(TensorSpec(name, "FP32", (-1, 2)) for name in "yz")
    decode = decoder(X, outputs=both).decode
    assert decode(raw_request(ONES)).outputs == ("y", "z")
    assert decode(raw_request(ONES, outputs=("z",))).outputs == ("z",)
    with pytest.raises(InvalidInputError, match="no output 'w'; it has 'y', 'z'"):
        decode(raw_request(ONES, outputs=("z", "w")))
    with pytest.raises(InvalidInputError, match="asked for twice: 'z', 'z'"):
        decode(raw_request(ONES, outputs=("z", "z")))


def test_a_model_without_a_batch_dimension_takes_its_exact_shape():
    fixed = decoder(TensorSpec("x", "FP32", (3, 2)), max_batch_size=0)
    assert fixed.decode(raw_request(ONES)).rows == 1
    with pytest.raises(InvalidInputError, match=r"shape \[3,2\].*got \[1,2\]"):
        fixed.decode(raw_request(ONES[:1]))


def test_a_model_without_inputs_takes_none():
    assert decoder().decode(InferRequest("m", "", [])).rows == 1


def test_sizes_beside_the_batch_decide_who_may_share_a_run():
    free = decoder(TensorSpec("x", "FP32", (-1, -1)))
    one, two = (free.decode(raw_request(np.ones((1, width), np.float32))).key for width in (3, 4))
    assert one != two
    assert free.decode(raw_request(np.ones((5, 3), np.float32))).key == one


def test_clients_cannot_make_the_server_remember_shapes_without_end():
    free = decoder(TensorSpec("x", "UINT8", (-1, -1)))
    for width in range(1, 2 * REMEMBERED_SHAPES):
        assert free.decode(raw_request(np.ones((1, width), np.uint8), datatype="UINT8")).rows == 1
    assert len(free._inputs["x"]._counts) == REMEMBERED_SHAPES


FREE_TWICE = TensorSpec("x", "FP32", (-1, -1))


@pytest.mark.parametrize("datatype", ["FP32", "FP16", "BF16", "BOOL", "INT64", "BYTES"])
@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
def test_a_free_size_may_be_nothing_however_the_tensor_comes(datatype, shape):
    decode = decoder(TensorSpec("x", datatype, (-1, -1)), max_batch_size=0).decode
    tensor = InputTensor("x", datatype, shape)
    for raw in ([b""], [memoryview(b"")], ()):
        array = decode(InferRequest("m", "", [tensor], raw)).inputs["x"]
        assert array.shape == shape
        assert array.dtype == NUMPY[datatype]


def test_an_empty_tensor_has_no_elements():
    decode = decoder(FREE_TWICE, max_batch_size=0).decode
    with pytest.raises(InvalidInputError, match="takes 0 bytes; got 4"):
        decode(raw_request(ONES, shape=(2, 0), data=b"1234"))
    with pytest.raises(InvalidInputError, match="has 0 elements; got 1"):
        decode(typed_request([1.0], shape=(0, 2)))


def test_without_a_row_there_is_nothing_to_ask():
    with pytest.raises(
        InvalidInputError, match=r"\[-1,-1\], where -1 is any size \(rows from 1\); got \[0,3\]"
    ):
        decoder(FREE_TWICE).decode(raw_request(ONES, shape=(0, 3), data=b""))
    assert decoder(FREE_TWICE).decode(raw_request(ONES, shape=(3, 0), data=b"")).rows == 3


def test_a_runtime_that_cannot_take_an_empty_tensor_is_not_given_one():
    with pytest.raises(InvalidInputError, match=r"where -1 is any size from 1; got \[2,0\]"):
        decoder(FREE_TWICE, takes_empty=False).decode(raw_request(ONES, shape=(2, 0), data=b""))


def test_a_fixed_size_is_not_nothing():
    with pytest.raises(InvalidInputError, match=r"got \[3,0\]"):
        decoder(X).decode(raw_request(ONES, shape=(3, 0), data=b""))


@pytest.mark.parametrize("shape", [(0, BESIDE_EMPTY + 1), (2**62, 0), (0, 2**62)])
def test_an_empty_tensor_costs_the_model_nothing_that_the_message_did_not(shape):
    decode = decoder(FREE_TWICE, max_batch_size=0).decode
    with pytest.raises(InvalidInputError, match="has no elements; its other free sizes, multiplied, may be"):
        decode(raw_request(ONES, shape=shape, data=b""))


ANY = TensorSpec("x", "FP32", (), any_rank=True)


@pytest.mark.parametrize("shape", [(), (6,), (2, 3), (1, 1, 6), (1,) * 63 + (6,)])
def test_an_input_of_any_rank_takes_every_shape(shape):
    count = int(np.prod(shape, dtype=int))
    array = np.arange(count, dtype=np.float32).reshape(shape)
    job = decoder(ANY, max_batch_size=0).decode(raw_request(array))
    np.testing.assert_array_equal(job.inputs["x"], array)


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ((-1, 2), r"has shape \[-1,-1\], where -1 is any size; got \[-1,2\]"),
        ((1,) * 65, "has 65 dimensions; at most 64 are possible"),
        ((1 << 62, 1 << 62), r"takes \d+ bytes; got 24"),
    ],
)
def test_an_input_of_any_rank_takes_no_shape_that_is_none(shape, error):
    with pytest.raises(InvalidInputError, match=error):
        decoder(ANY, max_batch_size=0).decode(raw_request(ONES, shape=shape))
