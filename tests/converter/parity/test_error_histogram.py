import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from converter.parity.error_histogram import ErrorHistogram

errors = hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(0, 1e6))


@given(errors, st.integers(1, 100))
def test_a_percentile_is_the_exact_one_rounded_up_by_less_than_a_bucket(values, percent):
    exact = np.sort(values)[-(-percent * values.size // 100) - 1]
    found = ErrorHistogram.of(values).percentile(percent)
    assert exact <= found <= exact * (1 + 2**-7) + 1e-307


@given(st.lists(errors, min_size=1, max_size=4))
def test_the_total_of_parts_is_the_histogram_of_the_whole(parts):
    whole = ErrorHistogram.of(np.concatenate(parts))
    assert ErrorHistogram.total(ErrorHistogram.of(part) for part in parts) == whole


@pytest.mark.parametrize("value", [0.0, np.inf])
def test_zero_and_infinity_stay_what_they_are(value):
    assert ErrorHistogram.of(np.array([value, value])).percentile(99) == value


def test_one_outlier_in_a_hundred_is_beyond_the_p99_and_two_are_not():
    values = np.zeros(100)
    values[0] = 1.0
    assert ErrorHistogram.of(values).percentile(99) == 0
    values[1] = 1.0
    assert ErrorHistogram.of(values).percentile(99) == 1


def test_no_errors_have_the_percentile_zero():
    assert ErrorHistogram.of(np.zeros(0)).percentile(99) == 0
