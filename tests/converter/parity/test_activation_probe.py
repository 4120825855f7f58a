import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.dtypes import FLOATS, float_range, numpy_dtype
from converter.parity.activation_probe import activation_inputs, where_denormals_matter
from converter.parity.ulp import ulp_distance

ALL = sorted(FLOATS)


def next_to(points, value):
    """How many steps the nearest point on each side of a value is away; the value itself counts as 0."""
    target = np.full_like(points, value)
    steps = ulp_distance(points, target)
    return {int(step) for step in np.sort(steps)[:3]}


@pytest.mark.parametrize("dtype", ALL)
def test_the_points_are_of_the_dtype_finite_distinct_and_ascending_with_both_zeros(dtype):
    points = activation_inputs(2.0, dtype)
    assert points.dtype == numpy_dtype(dtype)
    wide = points.astype(np.float64)
    assert points.ndim == 1
    assert np.all(np.isfinite(wide))
    zeros = np.flatnonzero(wide == 0)
    assert np.signbit(wide[zeros]).tolist() == [True, False]
    assert np.all(np.diff(np.delete(wide, zeros[0])) > 0)
    assert np.array_equal(wide, -wide[::-1])
    assert 1000 < points.size < 25000


@pytest.mark.parametrize("dtype", ALL)
def test_denormals_and_both_ends_of_the_range_are_among_the_points(dtype):
    span = float_range(dtype)
    points = set(activation_inputs(1.0, dtype).astype(np.float64).tolist())
    assert {span.denormal, span.normal - span.denormal, span.normal, span.largest} <= points
    assert {-span.denormal, -span.normal, -span.largest} <= points


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.0, 0.1, 1e-3])
@pytest.mark.parametrize("turn", [1, 18, 88, 104])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_turning_point_has_its_neighbours_on_both_sides(turn, scale, dtype):
    points = activation_inputs(scale, dtype)
    assert next_to(points, turn / abs(scale)) <= {0, 1}
    assert next_to(points, -turn / abs(scale)) <= {0, 1}


def test_powers_of_two_and_ten_reach_over_the_whole_range():
    points = set(activation_inputs(1.0, "float32").tolist())
    assert {float(2.0**power) for power in range(-149, 128)} <= points
    assert {float(np.float32(10.0**power)) for power in range(-44, 39)} <= points


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("limit", [0.3, 81880.0, 1e5, 1e-3])
def test_no_point_lies_beyond_the_limit_and_the_last_is_next_to_it(limit, dtype):
    points = activation_inputs(0.8, dtype, limit).astype(np.float64)
    largest = min(limit, float_range(dtype).largest)
    assert largest * (1 - float_range(dtype).eps) <= points.max() <= largest
    assert points.min() == -points.max()


def test_the_sweep_is_dense_where_the_sigmoid_bends():
    points = activation_inputs(4.0, "float32")
    assert np.diff(points[np.abs(points) <= 5]).max() < 0.0026


@pytest.mark.parametrize("scale", [1e30, 1e-30, 5e-324, 1.7e308])
@pytest.mark.parametrize("dtype", ALL)
def test_an_extreme_scale_still_has_points(scale, dtype):
    points = activation_inputs(scale, dtype).astype(np.float64)
    assert np.all(np.isfinite(points))
    assert points.size > 100


@pytest.mark.parametrize(
    ("scale", "dtype", "limit", "says"),
    [
        (1.0, "int32", None, "not probed in int32"),
        (np.inf, "float32", None, "scale of inf"),
        (np.nan, "float32", None, "scale of nan"),
        (0.0, "float32", None, r"scale of 0\.0"),
        (-1.0, "float32", None, r"scale of -1\.0"),
        (1.0, "float32", 0.0, "limit of 0.0"),
        (1.0, "float32", np.nan, "limit of nan"),
    ],
)
def test_what_cannot_be_probed_is_refused(scale, dtype, limit, says):
    with pytest.raises(ValueError, match=says):
        activation_inputs(scale, dtype, limit)


@pytest.mark.parametrize(
    ("dtype", "x", "numbers", "matters"),
    [
        ("float32", 1e-39, [1.0], False),  # next to nothing, whether it is taken for 0 or not
        ("float32", 1e-39, [1e38], True),
        ("float32", -1e-39, [-1e38, 0.0], True),
        ("float32", 1e-37, [1e38], False),  # an ordinary number
        ("float32", 3e38, [1.0, 0.0], False),
        ("float32", 3e38, [1.0, 1e-40], True),
        ("float32", 1e30, [1.0, 1e-40], False),
        ("float16", 6e-8, [6e4], False),  # computed with in float32
        ("bfloat16", 1e-39, [1e38], True),
        ("float64", 1e-39, [1e38], False),
        ("float64", 1e-310, [1e308], True),
        ("float32", 1.0, [], False),
    ],
)
def test_where_it_matters_whether_denormals_are_computed_with(dtype, x, numbers, matters):
    assert where_denormals_matter(np.array([x], numpy_dtype(dtype)), numbers).tolist() == [matters]


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False)))
def test_no_point_of_a_usual_formula_is_lost(numbers):
    assert not where_denormals_matter(activation_inputs(1.0, "float32"), numbers).any()
