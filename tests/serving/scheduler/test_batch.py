import numpy as np
import pytest

from serving.errors import InternalError, InvalidInputError
from serving.scheduler import batch
from serving.scheduler.job import Job


def job(*rows):
    x = np.array([[row, row] for row in rows], np.float32)
    return Job({"x": x}, ("y",), rows=len(rows))


def answers(jobs):
    return [each.answer()[0][:, 0].tolist() for each in jobs]


def test_jobs_share_one_run_and_each_gets_its_rows(function_model):
    model = function_model(lambda x: {"y": 10 * x})
    jobs = [job(1), job(2, 3), job(4)]
    batch.run(model, jobs)
    assert model.runtime.batches == [4]
    assert answers(jobs) == [[10], [20, 30], [40]]


def test_a_single_job_runs_on_its_own_arrays(function_model):
    seen = []
    model = function_model(lambda x: seen.append(x) or {"y": x})
    alone = job(1)
    batch.run(model, [alone])
    assert seen[0] is alone.inputs["x"]


def test_a_failing_job_does_not_fail_its_mates(function_model):
    def fails_on_three(x):
        if (x == 3).any():
            raise ValueError("three")
        return {"y": x}

    jobs = [job(1), job(3), job(2)]
    batch.run(function_model(fails_on_three), jobs)
    assert answers([jobs[0], jobs[2]]) == [[1], [2]]
    with pytest.raises(InternalError, match="ValueError: three"):
        jobs[1].answer()


def test_what_is_the_clients_fault_stays_so(function_model):
    def refuses(**_):
        raise InvalidInputError("not UTF-8")

    alone = job(1)
    batch.run(function_model(refuses), [alone])
    with pytest.raises(InvalidInputError, match="not UTF-8"):
        alone.answer()


def test_only_a_fault_of_the_model_puts_a_traceback_into_the_log(function_model, caplog):
    def refuses(x):
        if (x == 3).any():
            raise InvalidInputError("not UTF-8")
        if (x == 4).any():
            raise ValueError("four")
        return {"y": x}

    caplog.set_level("INFO", "serving")
    for bad, expected in ((3, False), (4, True)):
        caplog.clear()
        batch.run(function_model(refuses), [job(1), job(bad)])
        assert any(record.exc_info for record in caplog.records) is expected
        assert "a batch of 2 failed" in caplog.text


def test_a_model_that_folds_its_rows_is_run_job_by_job(function_model):
    model = function_model(lambda x: {"y": x.sum(axis=0, keepdims=True)})
    jobs = [job(1, 2), job(5)]
    batch.run(model, jobs)
    assert model.runtime.batches == [3, 2, 1]
    assert answers(jobs) == [[3], [5]]


def test_jobs_that_want_different_outputs_share_a_run(function_model):
    model = function_model(lambda x: {"y": x, "z": -x})
    first, second = job(1), job(2)
    first.outputs, second.outputs = ("z", "y"), ("z",)
    batch.run(model, [first, second])
    assert model.runtime.batches == [2]
    assert [array[0, 0] for array in first.answer()] == [-1, 1]
    assert [array[0, 0] for array in second.answer()] == [-2]
