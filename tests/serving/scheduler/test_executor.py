import threading
import time

import numpy as np
import pytest
from patience import PATIENCE

from serving.errors import DeadlineExceededError, QueueFullError, StoppingError
from serving.repository.config import Batching, QueuePolicy
from serving.scheduler.executor import ModelExecutor
from serving.scheduler.job import Job


def job(row, *, rows=1, width=2, deadline=None):
    return Job({"x": np.full((rows, width), row, np.float32)}, ("y",), rows, ((width,),), deadline)


class Gate:
    """A model that waits, once told to, until it is let go; so requests gather."""

    def __init__(self):
        self.open = threading.Event()
        self.entered = threading.Event()

    def __call__(self, x):
        self.entered.set()
        assert self.open.wait(PATIENCE)
        return {"y": x}


@pytest.fixture
def working(function_model):
    """Start a worker whose model is behind a gate, with one job inside."""
    workers = []

    def start(**options):
        gate = Gate()
        model = function_model(gate, **options)
        done = []
        worker = ModelExecutor(model, done.extend)
        workers.append((worker, gate))
        worker.add(job(0))
        assert gate.entered.wait(PATIENCE)
        return worker, gate, model.runtime, done

    yield start
    for worker, gate in workers:
        gate.open.set()
        worker.close()
        assert worker.join(PATIENCE)


def finish(worker, gate):
    gate.open.set()
    worker.close()
    assert worker.join(PATIENCE)


def test_what_gathers_while_the_model_runs_shares_the_next_run(working):
    worker, gate, runtime, done = working()
    for row in range(1, 6):
        worker.add(job(row))
    finish(worker, gate)
    assert runtime.batches == [1, 5]
    assert [each.answer()[0][0, 0] for each in done] == [0, 1, 2, 3, 4, 5]


def test_a_batch_never_exceeds_its_limit(working):
    worker, gate, runtime, done = working(max_batch_size=4)
    for row in range(1, 11):
        worker.add(job(row))
    finish(worker, gate)
    assert runtime.batches == [1, 4, 4, 2]
    assert len(done) == 11


@pytest.mark.parametrize("batching", [None, Batching(delay=10 * PATIENCE, preferred=(4,))])
def test_requests_that_may_not_be_joined_run_alone_whatever_waits(working, batching):
    worker, gate, runtime, done = working(joins=False, batching=batching)
    for row, rows in ((1, 1), (2, 3), (3, 0), (4, 1), (5, 100)):
        worker.add(job(row, rows=rows))
    finish(worker, gate)
    assert runtime.batches == [1, 1, 3, 0, 1, 100]
    assert [len(each.answer()[0]) for each in done] == [1, 1, 3, 0, 1, 100]


def test_a_request_above_the_limit_of_a_run_runs_alone(working):
    worker, gate, runtime, done = working(max_batch_size=4)
    for row, rows in ((1, 2), (2, 100), (3, 2)):
        worker.add(job(row, rows=rows))
    finish(worker, gate)
    assert runtime.batches == [1, 4, 100]
    assert [len(each.answer()[0]) for each in done] == [1, 2, 2, 100]


def test_a_job_that_does_not_fit_lets_smaller_ones_behind_it_in(working):
    worker, gate, runtime, done = working(max_batch_size=4)
    for row, rows in ((1, 3), (2, 2), (3, 1)):
        worker.add(job(row, rows=rows))
    finish(worker, gate)
    assert runtime.batches == [1, 4, 2]
    assert [each.answer()[0][0, 0] for each in done] == [0, 1, 3, 2]


def test_jobs_of_different_sizes_are_not_mixed(working):
    worker, gate, runtime, done = working(shape=(-1, -1))
    for row, width in ((1, 3), (2, 4), (3, 3), (4, 4)):
        worker.add(job(row, width=width))
    finish(worker, gate)
    assert runtime.batches == [1, 2, 2]
    assert [each.answer()[0].shape for each in done] == [(1, 2), (1, 3), (1, 3), (1, 4), (1, 4)]


def test_without_a_batch_dimension_each_job_runs_alone(working):
    worker, gate, runtime, _ = working(max_batch_size=0)
    for row in range(3):
        worker.add(job(row))
    finish(worker, gate)
    assert runtime.batches == [1, 1, 1, 1]


def test_a_job_whose_deadline_passed_is_never_computed(working):
    worker, gate, runtime, done = working()
    late, fine = job(1, deadline=time.monotonic() - 1), job(2, deadline=time.monotonic() + 60)
    worker.add(late)
    worker.add(fine)
    finish(worker, gate)
    assert runtime.batches == [1, 1]
    assert late in done
    with pytest.raises(DeadlineExceededError, match="before the model ran"):
        late.answer()
    assert fine.answer()[0][0, 0] == 2


def test_a_full_queue_refuses_with_a_hint_and_recovers(working):
    worker, gate, _, done = working(queue=QueuePolicy(size=2))
    worker.add(job(1))
    worker.add(job(2))
    with pytest.raises(QueueFullError, match="2 requests wait for model 'function'") as refused:
        worker.add(job(3))
    assert 0 < refused.value.retry_after <= 10
    gate.open.set()
    while not worker.idle:
        time.sleep(0.001)
    worker.add(job(4))
    finish(worker, gate)
    assert [each.answer()[0][0, 0] for each in done] == [0, 1, 2, 4]


def test_a_discarded_job_frees_its_place_and_does_not_run(working):
    worker, gate, runtime, done = working(queue=QueuePolicy(size=1))
    given_up = job(1)
    worker.add(given_up)
    worker.discard(given_up)
    worker.add(job(2))
    finish(worker, gate)
    assert runtime.batches == [1, 1]
    assert given_up not in done


def test_a_job_that_is_done_can_still_be_discarded(working):
    worker, gate, _, done = working()
    finish(worker, gate)
    worker.discard(done[0])
    assert done[0].answer()


def test_a_closed_worker_finishes_what_waits_and_takes_no_more(working):
    worker, gate, _, done = working()
    worker.add(job(1))
    worker.close()
    with pytest.raises(StoppingError, match="being unloaded"):
        worker.add(job(2))
    gate.open.set()
    assert worker.join(PATIENCE)
    assert [each.answer()[0][0, 0] for each in done] == [0, 1]


def test_a_model_that_raises_does_not_end_its_thread(function_model):
    def odd(x):
        if x[0, 0] % 2:
            raise RuntimeError("odd")
        return {"y": x}

    done = []
    worker = ModelExecutor(function_model(odd, max_batch_size=1), done.extend)
    for row in range(4):
        worker.add(job(row))
    worker.close()
    assert worker.join(PATIENCE)
    assert [each.error is None for each in done] == [True, False, True, False]


def test_a_request_may_name_any_time_to_wait(function_model):
    """More than a lock can wait for once ended the thread, and nobody was answered any more."""
    done = []
    batching, queue = Batching(delay=2e13), QueuePolicy(size=64)
    worker = ModelExecutor(function_model(lambda x: {"y": x}, batching=batching, queue=queue), done.extend)
    patient = job(1)
    patient.timeout = 1.8e13
    worker.add(patient)
    time.sleep(0.05)
    worker.close()
    assert worker.join(PATIENCE)
    assert [each.error for each in done] == [None]
