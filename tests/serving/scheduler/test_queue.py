import threading
import time

import numpy as np
import pytest
from patience import PATIENCE

from serving.errors import DeadlineExceededError, InvalidInputError, QueueFullError
from serving.repository.config import UNSTATED, Batching, QueuePolicy
from serving.repository.loading.warmup import Latency
from serving.scheduler.executor import ModelExecutor
from serving.scheduler.job import Job
from serving.scheduler.queue import RequestQueue


def job(row=0, *, rows=1, priority=0, timeout=0.0, key=(), arrived=0.0):
    made = Job({"x": np.full((rows, 2), row, np.float32)}, ("y",), rows, key, None, priority, timeout)
    made.arrived = arrived
    return made


@pytest.fixture
def filled(function_model):
    """A queue with jobs in it."""

    def fill(jobs, *, batching=None, queue=None, max_batch_size=8):
        made = RequestQueue(
            function_model(None, batching=batching, queue=queue, max_batch_size=max_batch_size)
        )
        for each in jobs:
            made.add(each)
        return made

    return fill


LEVELS = Batching(levels=3, default_level=2)


def test_the_urgent_go_first_and_within_a_level_the_first_to_come(filled):
    jobs = [job(priority=3), job(), job(priority=1), job(priority=2), job(priority=1)]
    assert filled(jobs, batching=LEVELS).take(8) == [jobs[2], jobs[4], jobs[1], jobs[3], jobs[0]]


def test_without_levels_a_priority_means_nothing(filled):
    jobs = [job(priority=9), job(priority=1)]
    assert filled(jobs).take(8) == jobs


def test_a_priority_that_does_not_exist_is_the_clients_fault(filled):
    with pytest.raises(InvalidInputError, match="has priorities from 1 to 3; got 4"):
        filled([job(priority=4)], batching=LEVELS)


def test_a_run_takes_what_fits_and_leaves_the_rest_in_order(filled):
    jobs = [job(rows=3), job(rows=6), job(rows=2), job(rows=4), job(rows=1)]
    queue = filled(jobs)
    assert queue.rows() == 6
    assert queue.take(8) == [jobs[0], jobs[2], jobs[4]]
    assert len(queue) == 2
    assert queue.take(8) == [jobs[1]]
    assert queue.take(8) == [jobs[3]]
    assert len(queue) == 0


def test_the_first_job_is_taken_whatever_its_size(filled):
    big = job(rows=6)
    assert filled([big, job()]).take(4) == [big]


def test_other_sizes_wait_for_a_run_of_their_own(filled):
    jobs = [job(key=((2,),)), job(key=((3,),)), job(key=((2,),))]
    queue = filled(jobs)
    assert queue.take(8) == [jobs[0], jobs[2]]
    assert queue.take(8) == [jobs[1]]


def test_each_level_has_a_limit_of_its_own(filled):
    batching = Batching(levels=2, default_level=2, level_policies={1: QueuePolicy(size=1)})
    queue = filled([job(priority=1), job(), job()], batching=batching, queue=QueuePolicy(size=2))
    for priority, count in ((1, 1), (2, 2)):
        with pytest.raises(QueueFullError, match=f"{count} requests wait"):
            queue.add(job(priority=priority))


def test_a_limit_of_zero_is_none(filled):
    assert len(filled([job() for _ in range(3000)], queue=QueuePolicy(size=0))) == 3000


@pytest.mark.parametrize(
    ("policy", "asked", "allowed"),
    [
        (QueuePolicy(), 0.0, 0.0),
        (QueuePolicy(), 2.0, 2.0),
        (QueuePolicy(timeout=1.0), 0.0, 1.0),
        (QueuePolicy(timeout=1.0), 2.0, 1.0),
        (QueuePolicy(timeout=3.0), 2.0, 2.0),
        (QueuePolicy(timeout=3.0, override=False), 2.0, 3.0),
        (QueuePolicy(override=False), 2.0, 0.0),
    ],
)
def test_a_request_may_only_shorten_the_time_it_waits_and_only_if_the_owner_lets_it(
    filled, policy, asked, allowed
):
    waiting = job(timeout=asked)
    filled([waiting], queue=policy)
    assert waiting.timeout == allowed


def test_who_waited_too_long_is_told_and_frees_the_place(filled):
    late, fine = job(timeout=1.0, arrived=10.0), job(timeout=PATIENCE, arrived=10.0)
    queue = filled([late, fine])
    assert queue.expire(10.5) == []
    assert queue.soonest() == 11.0
    assert queue.expire(11.5) == [late]
    with pytest.raises(DeadlineExceededError, match="longer than the 1000000 microseconds"):
        late.answer()
    assert queue.take(8) == [fine]
    assert queue.soonest() == float("inf")


def test_who_waited_too_long_may_instead_go_behind_the_others(filled):
    late, fine = job(arrived=10.0), job(arrived=12.0)
    queue = filled([late, fine], queue=QueuePolicy(timeout=1.0, delay=True))
    assert queue.expire(11.5) == []
    assert len(queue) == 2
    assert queue.oldest() == 10.0
    assert queue.take(1) == [fine]
    assert queue.take(1) == [late]
    assert late.error is None


def test_a_job_that_is_removed_no_longer_counts(filled):
    first, second = job(timeout=1.0), job()
    queue = filled([first, second])
    queue.remove(first)
    queue.remove(first)
    assert len(queue) == 1
    assert queue.soonest() == float("inf")
    assert queue.take(8) == [second]


class Working:
    """A worker and what it delivered."""

    def __init__(self, model):
        self.model, self.done, self.delivered = model, [], threading.Semaphore(0)
        self.worker = ModelExecutor(model, self.deliver)

    def deliver(self, jobs):
        self.done += jobs
        self.delivered.release(len(jobs))

    def add(self, *jobs):
        for each in jobs:
            self.worker.add(each)

    def wait(self, count):
        for _ in range(count):
            assert self.delivered.acquire(timeout=PATIENCE)
        return self.model.runtime.batches


@pytest.fixture
def working(function_model):
    made = []

    def start(**config):
        made.append(Working(function_model(lambda x: {"y": x}, **config)))
        return made[-1]

    yield start
    for each in made:
        each.worker.close()
        assert each.worker.join(PATIENCE)


def test_a_batch_waits_for_company_as_long_as_its_owner_wants(working):
    start, one = time.monotonic(), working(batching=Batching(delay=0.5))
    one.add(job(1), job(2), job(3))
    assert one.wait(3) == [3]
    assert time.monotonic() - start >= 0.5
    assert one.done[0].waited >= 0.5


def test_a_full_batch_waits_no_longer(working):
    one = working(batching=Batching(delay=10 * PATIENCE), max_batch_size=4)
    one.add(*(job(row) for row in range(4)))
    assert one.wait(4) == [4]


def test_a_preferred_batch_waits_no_longer_either(working):
    one = working(batching=Batching(preferred=(2, 3), delay=10 * PATIENCE))
    one.add(*(job(row) for row in range(3)))
    assert one.wait(3) == [3]


def test_when_the_time_is_over_the_largest_preferred_batch_runs(working):
    one = working(batching=Batching(preferred=(2, 6), delay=0.5))
    one.add(*(job(row) for row in range(3)))
    assert one.wait(3) == [2, 1]


def test_closing_waits_for_nobody(working):
    one = working(batching=Batching(delay=10 * PATIENCE))
    one.add(job(1))
    one.worker.close()
    assert one.wait(1) == [1]


def test_who_waits_too_long_for_company_is_told_in_time(working):
    one = working(batching=Batching(delay=10 * PATIENCE))
    one.add(job(1, timeout=0.02))
    one.wait(1)
    with pytest.raises(DeadlineExceededError):
        one.done[0].answer()
    assert one.model.runtime.batches == []


def test_instances_run_at_the_same_time(function_model):
    both = threading.Barrier(2, timeout=PATIENCE)

    def meet(x):
        both.wait()
        return {"y": x}

    one = Working(function_model(meet, instances=2, max_batch_size=1))
    one.add(job(1), job(2))
    assert one.wait(2) == [1, 1]
    assert all(each.error is None for each in one.done)
    one.worker.close()
    assert one.worker.join(PATIENCE)


def test_runs_are_counted_by_their_rows(working):
    one = working(batching=Batching(delay=10 * PATIENCE), max_batch_size=4)
    one.add(job(1, rows=3), job(2))
    one.wait(2)
    statistics = one.model.statistics
    ((rows, totals),) = statistics.by_rows()
    assert (rows, totals.infer.count, statistics.runs) == (4, 1, 1)
    assert one.done[0].run is one.done[1].run
    assert totals.infer.ns == one.done[0].run.infer > 0


def count(queue, **options):
    """How many more jobs a queue takes."""
    taken = 0
    while True:
        try:
            queue.add(job(**options))
        except QueueFullError as error:
            return taken, error
        taken += 1


@pytest.mark.parametrize(
    ("each", "instances", "taken"), [(0.01, 1, 61), (0.01, 2, 121), (0.5, 1, 16), (1e-4, 1, 1024)]
)
def test_without_a_policy_the_work_that_waits_is_bounded_in_time(function_model, each, instances, taken):
    queue = RequestQueue(function_model(None, queue=UNSTATED, instances=instances))
    queue.ran(1, each)
    found, error = count(queue)
    assert found == taken
    # Half of what waits will be done by then.
    assert error.retry_after == pytest.approx(min(10, taken * each / instances / 2), rel=0.01)


def test_what_a_warm_up_told_counts_until_a_run_tells_more(function_model):
    queue = RequestQueue(function_model(None, queue=UNSTATED, latency=Latency(0.02, 0.0)))
    assert count(queue)[0] == 31
    for _ in range(30):
        queue.ran(8, 0.08)
    assert count(queue)[0] == pytest.approx(30, abs=1)


def test_a_model_that_never_ran_is_bounded_in_number(function_model):
    assert count(RequestQueue(function_model(None, queue=UNSTATED)))[0] == 1024


def test_the_owner_s_number_takes_the_place_of_the_time(function_model):
    queue = RequestQueue(function_model(None, queue=QueuePolicy(size=300)))
    queue.ran(1, 0.5)
    assert count(queue)[0] == 300


def test_one_slow_run_does_not_shut_the_queue(function_model):
    queue = RequestQueue(function_model(None, queue=UNSTATED))
    queue.ran(1, 100.0)
    assert count(queue)[0] == 16


def test_those_behind_do_not_keep_the_urgent_out(filled):
    queue = filled([], batching=LEVELS, queue=UNSTATED)
    queue.ran(1, 0.02)
    assert count(queue, priority=3)[0] == 31
    assert count(queue, priority=1)[0] == 31
    with pytest.raises(QueueFullError):
        queue.add(job(priority=2))
