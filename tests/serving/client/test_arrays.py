import numpy as np
import pytest
from ml_dtypes import bfloat16

from serving.client.arrays import fit
from serving.client.errors import InputError
from serving.client.metadata import TensorMetadata
from serving.datatypes import NUMPY


def fitted(value, datatype):
    return fit(value, TensorMetadata("x", datatype, (-1,)))


@pytest.mark.parametrize(
    ("dtype", "datatype"),
    [
        ("u1", "FP32"),
        ("i2", "FP32"),
        ("i4", "FP64"),
        ("f2", "FP32"),
        ("f4", "FP64"),
        ("i4", "INT64"),
        ("u1", "INT16"),
        ("?", "INT8"),
        (">f4", "FP32"),
    ],
)
def test_arrays_are_cast_where_every_value_survives(dtype, datatype):
    array = np.array([0, 1, 1], dtype)
    result = fitted(array, datatype)
    assert result.dtype == NUMPY[datatype]
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize(
    ("dtype", "datatype"),
    [
        ("f8", "FP32"),
        ("f4", "FP16"),
        ("i4", "FP32"),
        ("i8", "FP64"),
        ("u8", "FP64"),
        ("i8", "INT32"),
        ("i1", "UINT8"),
        ("f4", "INT32"),
        ("i4", "BOOL"),
        ("c8", "FP32"),
        ("U1", "FP32"),
        ("O", "FP32"),
        ("f4", "BF16"),
        ("i2", "BF16"),
    ],
)
def test_a_cast_that_could_lose_something_is_refused_whatever_the_values(dtype, datatype):
    with pytest.raises(InputError, match=f"input 'x' is {datatype}; .* came"):
        fitted(np.zeros(2, dtype), datatype)


def test_bfloat16_comes_as_itself_as_bits_or_as_numbers():
    values = np.array([1.0, -2.5], bfloat16)
    bits = values.view(np.uint16)
    assert fitted(values, "BF16").tolist() == bits.tolist()
    assert fitted(bits, "BF16").tolist() == bits.tolist()
    assert fitted([1.0, -2.5], "BF16").tolist() == bits.tolist()


@pytest.mark.parametrize(
    ("value", "datatype"),
    [
        ([1, 2.5], "FP32"),
        ([[1], [2]], "INT8"),
        ([True, False], "BOOL"),
        (3, "UINT64"),
        ([], "INT32"),
        ([np.nan, np.inf], "FP16"),
    ],
)
def test_lists_and_numbers_take_the_inputs_datatype(value, datatype):
    result = fitted(value, datatype)
    assert result.dtype == NUMPY[datatype]
    np.testing.assert_array_equal(result, value)


def test_a_literal_is_rounded_to_the_nearest_float():
    assert fitted([0.1], "FP32")[0] == np.float32(0.1)


@pytest.mark.parametrize(
    ("value", "datatype", "text"),
    [
        ([300], "UINT8", "300 does not fit in UINT8"),
        ([-1], "UINT8", "-1 does not fit in UINT8"),
        ([1, 1e39], "FP32", r"1e\+39 does not fit in FP32"),
        ([70000.0], "FP16", "does not fit in FP16"),
        ([1.5], "INT32", "is INT32; a fraction came"),
        ([1], "BOOL", "is BOOL; an integer came"),
        ([True], "FP32", "is FP32; a truth value came"),
        (["1"], "FP32", "something that is no number came"),
        ([None], "INT32", "something that is no number came"),
        ([2**70], "INT64", "something that is no number came"),
        ([[1, 2], [3]], "FP32", "not the rows of an array"),
        ([1.0], "FP8", "datatype FP8, unknown to this client"),
    ],
)
def test_literals_that_do_not_fit_are_refused(value, datatype, text):
    with pytest.raises(InputError, match=text):
        fitted(value, datatype)


def test_strings_keep_their_trailing_zeros():
    assert fitted([b"a\x00"], "BYTES").tolist() == [b"a\x00"]
    assert fitted(np.array(["a", "b"]), "BYTES").tolist() == ["a", "b"]
    with pytest.raises(InputError, match="takes bytes or str; float came"):
        fitted([1.0], "BYTES")
