import json
import math
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from converter.errors import UnsupportedError
from converter.parity.array_comparison import compare, merge
from converter.parity.tolerance import Tolerance

EXACT = Tolerance(0, 0)
TIGHT = Tolerance(1e-5, 1e-4)
NAN, INF = math.nan, math.inf


def f32(*values):
    return np.array(values, np.float32)


def noisy(seed, size, noise=1e-4):
    generator = np.random.default_rng(seed)
    reference = generator.standard_normal(size).astype(np.float32)
    return reference, reference + (noise * generator.standard_normal(size)).astype(np.float32)


@pytest.mark.parametrize(
    ("reference", "actual", "failing"),
    [
        pytest.param(f32(1, 2), f32(1, 2), 0, id="equal"),
        pytest.param(f32(0), f32(9e-6), 0, id="within atol"),
        pytest.param(f32(0), f32(2e-5), 1, id="beyond atol at zero"),
        pytest.param(f32(100), f32(100.009), 0, id="within rtol"),
        pytest.param(f32(100), f32(100.02), 1, id="beyond rtol"),
        pytest.param(f32(0.1), f32(0.100015), 1, id="atol and rtol do not add up"),
        pytest.param(f32(-0.0), f32(0.0), 0, id="zeros of both signs"),
        pytest.param(f32(NAN, 1), f32(NAN, 1), 0, id="NaN equals NaN"),
        pytest.param(f32(NAN), f32(1), 1, id="NaN expected"),
        pytest.param(f32(1), f32(NAN), 1, id="NaN came"),
        pytest.param(f32(INF, -INF), f32(INF, -INF), 0, id="infinities of one sign"),
        pytest.param(f32(INF), f32(-INF), 1, id="infinities of two signs"),
        pytest.param(f32(INF), f32(3e38), 1, id="infinity is not within rtol of anything"),
        pytest.param(f32(3e38), f32(INF), 1, id="nor is anything within rtol of infinity"),
        pytest.param(f32(INF), f32(NAN), 1, id="infinity and NaN"),
    ],
)
def test_an_element_passes_by_atol_or_by_rtol(reference, actual, failing):
    found = compare(reference, actual, TIGHT)
    assert found.failing == failing
    assert found.passed == (failing == 0)


@pytest.mark.parametrize("swap", [False, True])
def test_the_relative_tolerance_is_relative_to_the_reference(swap):
    reference, actual = (f32(100), f32(200)) if swap else (f32(200), f32(100))
    assert compare(reference, actual, Tolerance(0, 0.5)).passed != swap


@pytest.mark.parametrize(
    ("reference", "actual", "says"),
    [
        (f32(1, 2), f32(1, 2, 3), r"shape \(3,\) came, \(2,\) was expected"),
        (f32(1), f32(1).reshape(1, 1), r"shape \(1, 1\) came, \(1,\) was expected"),
        (f32(1), np.array([1.0]), "dtype float64 came, float32 was expected"),
        (np.zeros((0, 3)), np.zeros((0, 4)), "shape"),
    ],
)
def test_a_mismatch_fails_and_says_so(reference, actual, says):
    found = compare(reference, actual, TIGHT)
    assert not found.passed
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(found.mismatch)
    assert found.max_absolute == found.least_factor == INF
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["mismatch"] == found.mismatch


def test_outputs_of_strings_are_refused():
    words = np.array(["a"])
    with pytest.raises(UnsupportedError, match="cannot be compared"):
        compare(words, words, EXACT)


def test_the_figures_are_those_of_the_definition():
    reference = f32(0, 1, -2, 4)
    actual = f32(0.5, 1.25, -2, 3)
    found = compare(reference, actual, Tolerance(0.5, 0.125))
    assert found.elements == 4
    assert found.failing == 1
    assert found.max_absolute == 1.0
    assert found.mean_absolute == pytest.approx((0.5 + 0.25 + 0 + 1) / 4)
    assert found.max_relative == 0.25  # the reference of 0 is left out
    assert found.p99_absolute == 1.0
    assert found.max_ulp == 0x3F000000  # from 0 to 0.5
    assert found.least_factor == pytest.approx(2)
    assert found.least_atol == 1.0
    assert found.worst.index == (3,)
    assert (found.worst.reference, found.worst.actual, found.worst.absolute_error) == (4.0, 3.0, 1.0)
    assert found.top1 is None


def test_the_worst_element_is_the_one_that_needs_the_widest_tolerance():
    reference = np.full((2, 3, 4), 1e6, np.float32)
    actual = reference + 8  # large, and well within rtol
    reference[1, 2, 3], actual[1, 2, 3] = 0.0, 1.0
    worst = compare(reference, actual, TIGHT, probe="seven").worst
    assert (worst.probe, worst.index, worst.reference, worst.actual) == ("seven", (1, 2, 3), 0.0, 1.0)


def test_a_value_that_is_not_finite_is_worse_than_any_number():
    found = compare(f32(0, 1, 0), f32(1, NAN, 1), EXACT)
    assert found.worst.index == (1,)
    assert found.max_absolute == found.mean_absolute == found.max_relative == found.least_atol == INF
    assert found.max_ulp == 2**32 - 1


def test_equal_arrays_have_no_worst_element():
    found = compare(f32(NAN, INF, 1), f32(NAN, INF, 1), EXACT)
    assert found.worst is None
    assert (found.max_absolute, found.least_factor, found.least_atol, found.max_ulp) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("dtype", "one", "other", "difference"),
    [
        ("int64", 2**62, 2**62 + 1, 1),
        ("int64", -(2**63), 2**63 - 1, 2**64),
        ("uint64", 2**64 - 1, 2**64 - 2, 1),
        ("uint8", 0, 255, 255),
        ("int8", -128, 127, 255),
        ("bool", True, False, 1),
    ],
)
def test_integers_that_float64_cannot_tell_apart_are_told_apart(dtype, one, other, difference):
    found = compare(np.array([one], dtype), np.array([other], dtype), EXACT)
    assert found.failing == 1
    assert found.max_absolute == difference
    assert found.max_ulp is None
    assert (found.worst.reference, found.worst.actual) == (one, other)
    assert compare(np.array([one], dtype), np.array([one], dtype), EXACT).passed


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64, ">f4"])
def test_every_float_dtype_has_figures(dtype):
    reference = np.array([[0.5, 1.0]], dtype)
    actual = np.array([[0.5, 1.25]], dtype)
    found = compare(reference, actual, EXACT)
    assert (found.failing, found.max_absolute, found.worst.index) == (1, 0.25, (0, 1))
    assert found.max_ulp == round(0.25 / float(ml_dtypes.finfo(found.dtype).eps))


def test_an_output_with_strides_is_compared_in_its_own_order():
    reference = np.arange(12, dtype=np.float32).reshape(3, 4).T
    actual = reference.copy()
    actual[3, 1] += 1
    assert compare(reference, actual, TIGHT).worst.index == (3, 1)


def test_an_output_larger_than_a_slice_is_compared_whole():
    reference = np.zeros((3, 200000), np.float32)
    actual = reference.copy()
    actual[2, 199999] = 1
    actual[0, 5] = 0.5
    found = compare(reference, actual, TIGHT)
    assert (found.elements, found.failing, found.worst.index) == (600000, 2, (2, 199999))
    assert found.mean_absolute == pytest.approx(1.5 / 600000)


def test_a_large_output_is_compared_in_little_memory():
    large = np.full((2000, 2000), 1 / 2000, np.float32)
    tracemalloc.start()
    try:
        found = compare(large, large, TIGHT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.top1.rows == 2000
    assert peak < 8 * large.size  # less than one copy in float64, let alone the ten temporaries


def test_a_scalar_and_an_empty_output_can_be_compared():
    scalar = compare(np.array(1, np.float32), np.array(2, np.float32), TIGHT)
    assert (scalar.failing, scalar.worst.index) == (1, ())
    empty = compare(np.zeros((0, 3)), np.zeros((0, 3)), TIGHT)
    assert empty.passed
    assert (empty.elements, empty.mean_absolute) == (0, 0)


def test_the_arrays_are_left_as_they_were():
    reference, actual = f32(NAN, 1), f32(1, INF)
    reference.flags.writeable = actual.flags.writeable = False
    compare(reference, actual, TIGHT)


floats32 = hnp.arrays(np.float32, 20, elements=st.floats(-(2.0**100), 2.0**100, width=32))


@given(floats32, floats32)
def test_the_least_factor_passes_and_slightly_less_fails(reference, actual):
    factor = compare(reference, actual, TIGHT).least_factor
    assume(1e-200 < factor < 1e200)
    assert compare(reference, actual, Tolerance(TIGHT.atol * factor, TIGHT.rtol * factor)).passed
    less = factor * (1 - 1e-12)
    assert not compare(reference, actual, Tolerance(TIGHT.atol * less, TIGHT.rtol * less)).passed


@given(floats32, floats32)
def test_the_least_atol_passes_and_slightly_less_fails(reference, actual):
    atol = compare(reference, actual, TIGHT).least_atol
    assert compare(reference, actual, Tolerance(atol, TIGHT.rtol)).passed
    if atol:
        less = math.nextafter(atol, 0)
        assert not compare(reference, actual, Tolerance(less, TIGHT.rtol)).passed


@given(floats32, floats32)
def test_what_fails_has_a_least_factor_above_one(reference, actual):
    found = compare(reference, actual, TIGHT)
    assert found.passed == (found.least_factor <= 1 + 1e-14)


odd32 = hnp.arrays(np.float32, st.integers(0, 12), elements=st.floats(width=32))


@given(st.lists(odd32, min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_merging_probes_equals_comparing_them_as_one_array(references, seed):
    generator = np.random.default_rng(seed)
    actuals = []
    for reference in references:
        actual = reference.copy()
        changed = generator.random(actual.size) < 0.3
        actual[changed] = generator.standard_normal(int(changed.sum()))
        actuals.append(actual)
    pairs = zip(references, actuals, strict=True)
    merged = merge([compare(*pair, TIGHT, probe=str(number)) for number, pair in enumerate(pairs)])
    whole = compare(np.concatenate(references), np.concatenate(actuals), TIGHT)
    exact = ("elements", "failing", "max_absolute", "p99_absolute", "max_relative", "max_ulp", "errors")
    exact += ("least_factor", "least_atol", "passed", "top1")
    assert {name: getattr(merged, name) for name in exact} == {name: getattr(whole, name) for name in exact}
    assert merged.mean_absolute == pytest.approx(whole.mean_absolute)
    assert (merged.worst is None) == (whole.worst is None)
    if merged.worst is not None:
        assert (merged.worst.factor, merged.worst.absolute_error) == (
            whole.worst.factor,
            whole.worst.absolute_error,
        )
        probe = int(merged.worst.probe)
        np.testing.assert_equal(references[probe][merged.worst.index].item(), merged.worst.reference)


def test_the_mean_of_probes_is_weighted_by_their_elements():
    small = compare(f32(0), f32(1), TIGHT)
    large = compare(np.zeros(99, np.float32), np.zeros(99, np.float32), TIGHT)
    assert merge([small, large]).mean_absolute == pytest.approx(0.01)


def test_top1_agreement_is_weighted_by_rows_and_ends_with_a_probe_that_is_no_distribution():
    right = compare(f32([0.9, 0.1]), f32([0.8, 0.2]), TIGHT)
    wrong = compare(f32(*[[0.9, 0.1]] * 3), f32(*[[0.1, 0.9]] * 3), TIGHT)
    other = compare(f32([3, 4]), f32([3, 4]), TIGHT)
    assert merge([right, wrong]).top1.share == 0.25
    assert merge([right, other]).top1 is None


def test_one_mismatch_makes_the_whole_a_mismatch():
    merged = merge([compare(f32(1), f32(1), TIGHT), compare(f32(1), f32(1, 2), TIGHT)])
    assert not merged.passed
    assert "shape (2,) came" in merged.mismatch


def test_comparisons_that_do_not_belong_together_are_not_merged():
    one = compare(f32(1), f32(1), TIGHT)
    for others in ([], [one, compare(f32(1), f32(1), EXACT)], [one, compare(np.ones(1), np.ones(1), TIGHT)]):
        with pytest.raises(ValueError, match="one tolerance and dtype"):
            merge(others)


def test_the_json_is_plain_and_finite_whatever_came():
    reference, actual = noisy(1, (4, 5))
    actual[0, 0], reference[1, 1] = NAN, -INF
    found = compare(reference, actual, TIGHT, probe="p")
    parsed = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert parsed == found.to_json()
    assert parsed["within_tolerance"] is False
    assert parsed["max_absolute_error"] == "inf"
    assert parsed["worst"]["index"] == [0, 0]
    assert parsed["worst"]["actual"] == "nan"
    assert (parsed["elements"], parsed["atol"], parsed["top1_agreement"]) == (20, 1e-5, None)


def test_the_json_of_a_distribution_holds_its_agreement():
    found = compare(f32([0.9, 0.1], [0.2, 0.8]), f32([0.9, 0.1], [0.9, 0.1]), TIGHT)
    assert found.to_json()["top1_agreement"] == 0.5
