import json

from serving.repository.statistics import SIZES, Run, Statistics


def test_totals_survive_the_way_through_json():
    counted = Statistics()
    counted.ran(Run(5, 10, 20, 30))
    counted.ran(Run(2, 1, 2, 3))
    counted.answered(5, 900, 200, 100, Run(5, 10, 20, 30))
    counted.failed("REJECTED", 7)
    told = json.loads(json.dumps(counted.totals()))
    again = Statistics.of(told)
    assert again == Statistics.of(counted.totals())
    assert (again.rows, again.runs, again.failures, again.last) == (5, 2, {"REJECTED": 1}, counted.last)
    assert (again.success.count, again.success.ns, again.fail.ns, again.input.ns) == (1, 900, 7, 110)
    assert [(rows, each.infer.ns) for rows, each in again.by_rows()] == [(2, 2), (5, 20)]


def test_nothing_counted_is_nothing_told():
    told = Statistics().totals()
    assert (told["rows"], told["success"], told["failures"], told["batches"]) == (0, [0, 0], {}, {})


def test_clients_who_ask_for_ever_other_numbers_of_rows_cannot_fill_the_memory():
    counted = Statistics()
    for rows in range(3 * SIZES):
        counted.ran(Run(rows, 1, 2, 3))
    counted.ran(Run(1, 1, 2, 3))
    assert counted.runs == 3 * SIZES + 1
    assert len(counted.by_rows()) == SIZES
    assert counted.batches[1].infer.count == 2


def test_requests_that_are_counted_together_count_as_each_by_itself():
    together, one_by_one = Statistics(), Statistics()
    run = Run(6, 10, 20, 30)
    together.answered(2, 900, 200, 100, run, 3)
    for _ in range(3):
        one_by_one.answered(2, 900, 200, 100, run)
    together.last = one_by_one.last
    assert together == one_by_one
