import numpy as np
import pytest

from serving.repository.loading.warmup import ENOUGH, FULL, SLOW, Latency, warm_up


@pytest.fixture
def taking(function_model, monkeypatch):
    """A runtime whose every run takes so many seconds for each row, on the clock of the warm-up."""
    now = [0.0]
    monkeypatch.setattr("serving.repository.loading.warmup.perf_counter", lambda: now[0])

    def make(seconds):
        def run(x):
            now[0] += seconds * len(x)
            return {"y": x}

        return function_model(run).runtime

    return make


def test_a_model_runs_alone_and_with_a_full_batch(taking):
    runtime = taking(SLOW / 4)
    latency = warm_up(runtime, 8)
    assert set(runtime.batches) == {1, 8}
    assert (latency.first, latency.further) == pytest.approx((SLOW / 4, SLOW / 4))


def test_a_slow_model_runs_once_and_without_a_full_batch(taking):
    runtime = taking(2 * ENOUGH)
    assert warm_up(runtime, 8).first == 2 * ENOUGH
    assert runtime.batches == [1]


def test_a_model_is_not_slow_because_its_first_runs_were(function_model, monkeypatch):
    """They are cold, or the machine is busy."""
    now, times = [0.0], [4 * SLOW, 4 * SLOW, 0.1 * SLOW]
    monkeypatch.setattr("serving.repository.loading.warmup.perf_counter", lambda: now[0])

    def run(x):
        now[0] += times.pop(0) if len(times) > 1 else times[0]
        return {"y": x}

    latency = warm_up(function_model(run).runtime, 1)
    assert latency.first == pytest.approx(0.1 * SLOW)


def test_a_model_that_rejects_zeros_starts_cold(function_model):
    def picky(x):
        raise ValueError(f"{x} is zero")

    assert warm_up(function_model(picky).runtime, 8) is None


def test_nobody_knows_the_pace_of_a_model_with_other_free_sizes(function_model):
    assert warm_up(function_model(lambda x: {"y": x}, shape=(-1, -1)).runtime, 8) is None
    assert warm_up(function_model(lambda x: {"y": x}, shape=(-1, 4)).runtime, 0) is None


def test_nobody_knows_the_pace_of_a_model_whose_time_depends_on_values(function_model):
    runtime = function_model(lambda x: {"y": x}).runtime
    runtime.steady = False
    assert warm_up(runtime, 8) is None


@pytest.mark.parametrize(("rows", "seconds"), [(1, 2.0), (2, 5.0), (5, 14.0)])
def test_the_time_of_a_batch_grows_with_its_rows(rows, seconds):
    np.testing.assert_allclose(Latency(2.0, 3.0).seconds(rows), seconds)


def test_a_batch_of_gigabytes_is_not_tried(function_model):
    runtime = function_model(lambda x: {"y": x}, shape=(-1, 1 << 20)).runtime
    assert warm_up(runtime, 1000).first > 0
    assert set(runtime.batches) == {1, FULL >> 22}
