import numpy as np
import pytest

from converter.dtypes import FLOATS, float_range, numpy_dtype
from converter.parity.activation_probe import activation_inputs
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


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.0, -3.0, 0.1, 1e-3])
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


@pytest.mark.parametrize("scale", [1e30, 1e-30, 5e-324, 0.0])
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
        (1.0, "float32", 0.0, "limit of 0.0"),
        (1.0, "float32", np.nan, "limit of nan"),
    ],
)
def test_what_cannot_be_probed_is_refused(scale, dtype, limit, says):
    with pytest.raises(ValueError, match=says):
        activation_inputs(scale, dtype, limit)
