import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_dtypes import bfloat16
from tritonclient.utils import (
    deserialize_bytes_tensor,
    np_to_triton_dtype,
    serialize_byte_tensor,
    triton_to_np_dtype,
)

from serving.datatypes import (
    NUMPY,
    bf16_to_float32,
    byte_size,
    float32_to_bf16,
    pack_bytes,
    unpack_bytes,
)


@pytest.mark.parametrize("name", [name for name in NUMPY if name not in {"BF16", "BYTES"}])
def test_datatypes_are_those_that_tritonclient_knows(name):
    assert np.dtype(triton_to_np_dtype(name)) == NUMPY[name]
    assert np_to_triton_dtype(NUMPY[name]) == name
    assert byte_size(name, 6) == np.zeros((2, 3), NUMPY[name]).nbytes


def test_sizes_of_bytes_are_unknown_and_of_unknown_datatypes_refused():
    assert byte_size("BYTES", 3) is None
    assert byte_size("BF16", 3) == 6
    with pytest.raises(ValueError, match="'FP8' does not exist"):
        byte_size("FP8", 1)


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_strings_travel_there_and_back_in_tritonclients_form(elements):
    array = np.empty(len(elements), np.object_)
    array[:] = elements
    packed = pack_bytes(array)
    assert unpack_bytes(packed, len(elements)).tolist() == elements
    assert unpack_bytes(memoryview(packed), len(elements)).tolist() == elements
    if elements:
        assert serialize_byte_tensor(array).item() == packed
        assert deserialize_bytes_tensor(packed).tolist() == elements


def test_text_is_packed_as_utf8_in_row_major_order():
    array = np.array([["a", "é"], ["", "z"]])
    assert unpack_bytes(pack_bytes(array.T), 4).tolist() == [b"a", b"", "é".encode(), b"z"]


def test_an_element_that_is_no_string_is_named():
    with pytest.raises(ValueError, match="element 1 is of type int"):
        pack_bytes(np.array([b"a", 3], np.object_))


@pytest.mark.parametrize(
    ("data", "count", "text"),
    [
        (b"\x01\x00\x00\x00a", 2, "cannot hold 2"),
        (b"\x02\x00\x00\x00a", 1, "element 0 claims 2 bytes where 1 are left"),
        (b"\xff\xff\xff\xffaaaa", 1, "claims 4294967295 bytes"),
        (b"\x03\x00\x00\x00aaa\x00\x00\x00", 2, "before the length of element 1 of 2"),
        (b"\x01\x00\x00\x00ab", 1, "1 bytes are left after"),
        (b"x", 0, "1 bytes are left after"),
        (b"", 2**60, "cannot hold"),
    ],
)
def test_damaged_strings_are_refused(data, count, text):
    with pytest.raises(ValueError, match=text):
        unpack_bytes(data, count)


def test_every_bf16_value_widens_as_ml_dtypes_says_and_narrows_back():
    bits = np.arange(2**16, dtype=np.uint16)
    wide = bf16_to_float32(bits)
    np.testing.assert_array_equal(wide, bits.view(bfloat16).astype(np.float32))
    finite = ~np.isnan(wide)
    np.testing.assert_array_equal(float32_to_bf16(wide)[finite], bits[finite])
    assert np.isnan(bf16_to_float32(float32_to_bf16(wide[~finite]))).all()


def test_float32_is_rounded_to_the_nearest_bf16_with_ties_to_even():
    values = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
    values = np.concatenate(
        [values[~np.isnan(values)], np.float32([1.00390625, 1.01171875, 3.4e38, np.inf, -0.0])]
    )
    with np.errstate(over="ignore"):
        expected = values.astype(bfloat16).view(np.uint16)
    np.testing.assert_array_equal(float32_to_bf16(values), expected)
