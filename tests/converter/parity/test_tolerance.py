import math

import pytest

from converter.errors import UnsupportedError, UsageError
from converter.parity.tolerance import Tolerance, default_tolerance


def test_float32_has_the_tolerance_that_the_project_promises():
    assert default_tolerance("float32") == Tolerance(atol=1e-5, rtol=1e-4)


def test_a_narrower_dtype_never_has_a_tighter_tolerance():
    ordered = [default_tolerance(name) for name in ("float64", "float32", "float16", "bfloat16")]
    assert [one.atol for one in ordered] == sorted(one.atol for one in ordered)
    assert [one.rtol for one in ordered] == sorted(one.rtol for one in ordered)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "int64", "uint64"])
def test_integers_and_bool_are_exact(dtype):
    assert default_tolerance(dtype) == Tolerance(0, 0)


@pytest.mark.parametrize("dtype", ["string", "complex64", "float8_e4m3fn"])
def test_a_dtype_that_cannot_be_compared_is_refused_by_name(dtype):
    with pytest.raises(UnsupportedError, match=dtype):
        default_tolerance(dtype)


@pytest.mark.parametrize("wrong", [-1e-9, math.nan, math.inf])
def test_a_tolerance_that_means_nothing_is_refused_and_the_option_named(wrong):
    with pytest.raises(UsageError, match="--atol"):
        Tolerance(wrong, 0)
    with pytest.raises(UsageError, match="--rtol"):
        Tolerance(0, wrong)
