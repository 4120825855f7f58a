from serving.metrics.family import family
from serving.repository.statistics import Run, Statistics
from serving.workers.metric_totals import WorkerCounts, WorkerTotals


def counts(rows, waiting=0, model="m"):
    """A worker that answered one request of so many rows."""
    counted = Statistics()
    counted.ran(Run(rows, 1, 2, 3))
    counted.answered(rows, 10, 0, 0, Run(rows, 1, 2, 3))
    counted.failed("REJECTED" if rows > 3 else "OTHER", 5)
    of = {"model": model, "version": "1"}
    metrics = family("rows_total", "counter", "rows", [(of, rows)])
    metrics += family("waiting", "gauge", "requests", [(of, waiting)])
    metrics += family("calls_total", "counter", "calls", [({"grpc_method": "A"}, 1)])
    return WorkerCounts(metrics, [(model, "1", counted.totals())])


def state(digest, model="m"):
    return {"models": {model: {"served": {"1": digest}}}}


def of(totals, living=()):
    ((name, version, counted),) = totals.statistics(living)
    assert (name, version) == ("m", "1")
    return Statistics.of(counted)


def samples(totals, living=()):
    lines = totals.metrics(living).splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}


ROWS, WAITING, CALLS = (
    'rows_total{model="m",version="1"}',
    'waiting{model="m",version="1"}',
    'calls_total{grpc_method="A"}',
)


def test_what_several_count_is_added_and_the_last_time_is_the_latest():
    one, other = counts(3), counts(4)
    both = of(WorkerTotals(), [one, other])
    assert (both.rows, both.runs, both.success.count, both.success.ns) == (7, 2, 2, 20)
    assert both.failures == {"OTHER": 1, "REJECTED": 1}
    assert [rows for rows, _ in both.by_rows()] == [3, 4]
    assert both.last == max(one.statistics[0][2]["last"], other.statistics[0][2]["last"])
    assert samples(WorkerTotals(), [counts(3, 2), counts(4, 5)]) == {ROWS: 7, WAITING: 7, CALLS: 2}


def test_what_one_that_ended_had_counted_stays_and_what_waited_in_it_does_not():
    totals = WorkerTotals()
    totals.retire(counts(3, waiting=9))
    totals.retire(counts(4, waiting=9))
    assert samples(totals, [counts(5, waiting=2)]) == {ROWS: 12, WAITING: 2, CALLS: 3}
    assert of(totals, [counts(5)]).rows == 12
    assert of(totals).rows == 7


def test_a_model_that_is_loaded_anew_counts_from_nothing_and_calls_go_on():
    totals = WorkerTotals()
    totals.retire(counts(3))
    totals.forget(state("a"), state("a"))
    assert of(totals).rows == 3
    totals.forget(state("a"), state("b"))
    assert totals.statistics([]) == []
    assert samples(totals) == {CALLS: 1}


def test_what_was_unloaded_and_loaded_again_counts_from_nothing():
    totals = WorkerTotals()
    totals.retire(counts(3))
    totals.forget(state("a"), {"models": {"m": {"served": {}}}})
    assert totals.statistics([]) == []


def test_a_name_that_must_be_escaped_is_recognised():
    name = 'a"b\\c'
    totals = WorkerTotals()
    totals.retire(counts(3, model=name))
    totals.forget(state("a", name), state("a", name))
    assert len(samples(totals)) == 2
    totals.forget(state("a", name), state("b", name))
    assert samples(totals) == {CALLS: 1}
