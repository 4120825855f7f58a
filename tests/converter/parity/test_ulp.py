import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.dtypes import FLOATS, float_range, numpy_dtype
from converter.parity.ulp import integer_distance, ulp_distance

finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
any64 = st.floats(allow_nan=False)


def distance(first, second, dtype="float32"):
    one, other = (np.array([value], numpy_dtype(dtype)) for value in (first, second))
    return int(ulp_distance(one, other)[0])


@pytest.mark.parametrize("dtype", sorted(FLOATS))
def test_the_landmarks_of_each_dtype_are_where_they_belong(dtype):
    span = float_range(dtype)
    assert distance(-0.0, 0.0, dtype) == 0
    assert distance(0.0, span.denormal, dtype) == 1
    assert distance(-span.denormal, span.denormal, dtype) == 2
    assert distance(span.normal - span.denormal, span.normal, dtype) == 1
    assert distance(1.0, 1.0 + span.eps, dtype) == 1
    assert distance(1.0, 1.0 - span.eps / 2, dtype) == 1
    assert distance(1.0, 2.0, dtype) == round(1 / span.eps)
    assert distance(span.largest, np.inf, dtype) == 1
    assert distance(np.inf, np.inf, dtype) == 0


@pytest.mark.parametrize("dtype", sorted(FLOATS))
def test_nan_is_near_to_nan_and_farther_from_the_rest_than_anything(dtype):
    bits = 8 * numpy_dtype(dtype).itemsize
    assert distance(np.nan, np.nan, dtype) == 0
    assert distance(np.nan, -np.nan, dtype) == 0
    assert distance(np.nan, 1.0, dtype) == distance(np.inf, np.nan, dtype) == 2**bits - 1
    assert distance(-np.inf, np.inf, dtype) < 2**bits - 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_all_sixteen_bit_numbers_stand_one_step_apart(dtype):
    every = np.arange(1 << 16, dtype=np.uint16).view(numpy_dtype(dtype))
    with np.errstate(invalid="ignore"):  # some of them are signalling NaNs
        numbers = np.sort(every[~np.isnan(every)].astype(np.float64))
    ascending = np.unique(numbers).astype(numpy_dtype(dtype))  # merges the zeros
    steps = ulp_distance(ascending[:-1], ascending[1:])
    assert np.all(steps == 1)
    assert ascending.size > 60000


@given(any64, any64)
def test_the_distance_is_symmetric_and_zero_only_between_equals(a, b):
    assert distance(a, b, "float64") == distance(b, a, "float64")
    assert (distance(a, b, "float64") == 0) == (a == b)


@given(st.lists(any64, min_size=3, max_size=3))
def test_distances_add_up_along_the_number_line(values):
    low, middle, high = sorted(values)
    whole = distance(low, high, "float64")
    assert whole == distance(low, middle, "float64") + distance(middle, high, "float64")


@given(finite32)
def test_the_next_number_is_one_step_away(value):
    with np.errstate(over="ignore", under="ignore"):  # infinity is next to the largest
        following = np.nextafter(np.float32(value), np.float32(np.inf))
    assert distance(value, following) == 1


def test_byte_order_and_strides_do_not_change_the_distance():
    foreign = np.array([1.0, 9.0, 2.0, 9.0], ">f4")[::2]
    assert ulp_distance(foreign, foreign[::-1]).tolist() == [1 << 23, 1 << 23]


@pytest.mark.parametrize(("one", "other"), [("float32", "float64"), ("int32", "int32")])
def test_other_pairs_of_dtypes_are_refused(one, other):
    with pytest.raises(TypeError, match="no ULP distance"):
        ulp_distance(np.zeros(2, one), np.zeros(2, other))


def test_a_dtype_of_eight_bits_is_refused():
    small = np.zeros(2, ml_dtypes.float8_e4m3fn)
    with pytest.raises(TypeError, match="float8"):
        ulp_distance(small, small)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_integers_are_subtracted_exactly_over_the_whole_range(a, b):
    assert int(integer_distance(np.array([a]), np.array([b]))[0]) == abs(a - b)
