import threading
import time

import numpy as np
import pytest
from patience import PATIENCE, until

from serving.errors import DeadlineExceededError, InternalError
from serving.repository.config import Batching
from serving.repository.loading.warmup import THREAD_HOP, Latency
from serving.scheduler.dispatcher import INLINE_LIMIT, MIN_GAIN, inline_rows
from serving.scheduler.job import Job
from serving.scheduler.scheduler import Scheduler


def job(rows=1, deadline=None):
    return Job({"x": np.ones((rows, 2), np.float32)}, ("y",), rows, deadline=deadline)


@pytest.fixture
def scheduler():
    delivered = threading.Semaphore(0)
    made = Scheduler(lambda jobs: delivered.release(len(jobs)))
    made.delivered = delivered
    yield made
    assert made.close(PATIENCE)


@pytest.mark.parametrize(
    ("first", "further", "rows"),
    [
        (THREAD_HOP / 10, 0.0, 8),
        (THREAD_HOP / 10, THREAD_HOP / 100, 8),
        (THREAD_HOP / 2, THREAD_HOP / 4, 3),
        (THREAD_HOP / 2, THREAD_HOP, 1),
        (2 * THREAD_HOP, 0.0, 0),
    ],
)
def test_rows_run_inline_as_long_as_they_take_less_than_a_thread_hop(function_model, first, further, rows):
    assert inline_rows(function_model(None, latency=Latency(first, further))) == rows


def test_a_model_of_unknown_pace_never_runs_inline(function_model):
    assert inline_rows(function_model(None, latency=None)) == 0


def thread_of(function_model, **options):
    threads = []

    def note(x):
        threads.append(threading.current_thread())
        return {"y": x}

    return function_model(note, **options), threads


def test_a_fast_model_runs_on_the_callers_thread(function_model, scheduler):
    model, threads = thread_of(function_model, latency=Latency(1e-6, 1e-7))
    asked = job()
    assert scheduler.dispatcher(model).submit(asked)
    assert asked.answer()[0].shape == (1, 2)
    assert threads == [threading.current_thread()]


def test_a_slow_model_runs_on_its_own_thread(function_model, scheduler):
    model, threads = thread_of(function_model, latency=Latency(1.0, 1.0))
    asked = job()
    assert not scheduler.dispatcher(model).submit(asked)
    assert scheduler.delivered.acquire(timeout=PATIENCE)
    assert asked.answer()[0].shape == (1, 2)
    assert threads[0].name == "model-function-1"


def test_a_big_request_to_a_fast_model_leaves_the_callers_thread_free(function_model, scheduler):
    model, threads = thread_of(function_model, latency=Latency(THREAD_HOP / 2, THREAD_HOP / 4))
    assert scheduler.dispatcher(model).submit(job(3))
    assert not scheduler.dispatcher(model).submit(job(4))
    assert scheduler.delivered.acquire(timeout=PATIENCE)
    assert threads[0] is threading.current_thread() is not threads[1]


def test_a_fast_request_queues_behind_a_running_one(function_model, scheduler):
    entered, leave = threading.Event(), threading.Event()

    def wait_for_big(x):
        if x.shape[0] > 1:
            entered.set()
            assert leave.wait(PATIENCE)
        return {"y": x}

    dispatcher = scheduler.dispatcher(function_model(wait_for_big, latency=Latency(THREAD_HOP, THREAD_HOP)))
    assert not dispatcher.submit(job(2))
    assert entered.wait(PATIENCE)
    assert not dispatcher.submit(job(1))
    leave.set()
    assert scheduler.delivered.acquire(timeout=PATIENCE)
    assert scheduler.delivered.acquire(timeout=PATIENCE)


@pytest.fixture
def clock(monkeypatch):
    """The time by which a dispatcher judges how closely requests follow each other."""
    now = [100.0]
    monkeypatch.setattr("serving.scheduler.dispatcher.monotonic", lambda: now[0])
    return now


def test_requests_that_follow_each_other_closely_go_where_they_can_share_a_run(
    function_model, scheduler, clock
):
    model, _ = thread_of(function_model, latency=Latency(THREAD_HOP, THREAD_HOP / 100))
    dispatcher = scheduler.dispatcher(model)
    assert dispatcher.submit(job())
    clock[0] += THREAD_HOP / 2
    assert not dispatcher.submit(job())
    assert scheduler.delivered.acquire(timeout=PATIENCE)
    clock[0] += 2 * THREAD_HOP
    until(lambda: dispatcher._executor.idle)
    assert dispatcher.submit(job())


@pytest.mark.parametrize(
    ("latency", "config"),
    [
        (Latency(MIN_GAIN / 2, MIN_GAIN / 50), {}),  # a batch saves less than the hop costs
        (Latency(THREAD_HOP, 0.9 * THREAD_HOP), {}),  # likewise
        (Latency(THREAD_HOP, THREAD_HOP / 100), {"max_batch_size": 1}),  # there are no batches
        (Latency(THREAD_HOP, THREAD_HOP / 100), {"joins": False}),  # nor here
    ],
)
def test_where_a_batch_saves_nothing_close_requests_run_at_once(
    function_model, scheduler, clock, latency, config
):
    model, threads = thread_of(function_model, latency=latency, **config)
    dispatcher = scheduler.dispatcher(model)
    assert all(dispatcher.submit(job()) for _ in range(3))
    assert threads == [threading.current_thread()] * 3
    assert clock == [100.0]


def test_a_model_that_is_slower_than_promised_gets_a_thread(function_model, scheduler, monkeypatch):
    now = [0]
    monkeypatch.setattr("serving.scheduler.batch.perf_counter_ns", lambda: now[0])

    def slow(x):
        now[0] += int(2e9 * INLINE_LIMIT) if x.max() > 1 else 0
        return {"y": x}

    dispatcher = scheduler.dispatcher(function_model(slow, latency=Latency(1e-6, 1e-7)))
    hard = job()
    hard.inputs["x"] *= 2
    assert dispatcher.submit(job())
    assert dispatcher.submit(hard)
    assert not dispatcher.submit(job())
    assert scheduler.delivered.acquire(timeout=PATIENCE)


def test_inline_too_a_deadline_that_passed_is_not_computed(function_model, scheduler):
    model, threads = thread_of(function_model, latency=Latency(1e-6, 1e-7))
    late = job(deadline=time.monotonic() - 1)
    assert scheduler.dispatcher(model).submit(late)
    assert not threads
    with pytest.raises(DeadlineExceededError):
        late.answer()


def test_inline_too_a_fault_of_the_model_is_an_internal_error(function_model, scheduler):
    broken = job()
    assert scheduler.dispatcher(
        function_model(lambda x: {} if x.any() else {"y": x}, latency=Latency(1e-6, 1e-7))
    ).submit(broken)
    with pytest.raises(InternalError):
        broken.answer()


def test_closing_says_whether_everything_ended(function_model):
    leave = threading.Event()
    model = function_model(lambda x: {"y": x} if leave.wait(PATIENCE) else {})
    scheduler = Scheduler([].extend)
    scheduler.dispatcher(model).submit(job())
    assert scheduler.close(0.05) is False
    leave.set()
    assert scheduler.close(PATIENCE) is True


def test_a_retired_model_finishes_what_waits_and_is_forgotten(function_model, scheduler):
    entered, leave = threading.Event(), threading.Event()

    def slow(x):
        entered.set()
        assert leave.wait(PATIENCE)
        return {"y": x}

    model = function_model(slow)
    asked, behind = job(), job()
    dispatcher = scheduler.dispatcher(model)
    dispatcher.submit(asked)
    assert entered.wait(PATIENCE)
    dispatcher.submit(behind)
    assert scheduler.pending(model) == 1
    scheduler.retire(model)
    assert scheduler.pending(model) == 0
    assert scheduler.dispatcher(function_model(lambda x: {"y": x})) is not dispatcher
    assert scheduler.sweep()
    leave.set()
    for _ in range(2):
        assert scheduler.delivered.acquire(timeout=PATIENCE)
    assert asked.answer()
    assert behind.answer()
    assert dispatcher.join(PATIENCE)
    assert not scheduler.sweep()


def test_retiring_a_model_that_was_never_asked_is_nothing(function_model, scheduler):
    scheduler.retire(function_model(None))


def test_a_model_whose_requests_are_to_wait_for_each_other_never_runs_inline(function_model):
    for batching in (Batching(delay=0.001), Batching(preferred=(4,))):
        assert inline_rows(function_model(None, latency=Latency(1e-6, 0.0), batching=batching)) == 0
    assert inline_rows(function_model(None, latency=Latency(1e-6, 0.0), batching=Batching())) == 8
