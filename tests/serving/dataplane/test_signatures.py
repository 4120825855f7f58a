"""A model with several signatures: each runs by itself, and all are one model to whoever counts or unloads it."""

import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest
from patience import PATIENCE, until_async

from serving.dataplane.messages import InferRequest, InputTensor
from serving.errors import InvalidInputError


@pytest.fixture
def model(function_model):
    """serving_default doubles, ``triple`` triples. Both wait until ``leave`` is set, and tell that they run."""
    leave, entered = threading.Event(), threading.Event()

    def times(factor):
        def compute(x):
            entered.set()
            assert leave.wait(PATIENCE)
            return {"y": factor * x}

        return compute

    double, triple = function_model(times(2)), function_model(times(3))
    triple = replace(triple, signature="triple", statistics=double.statistics)
    return replace(double, others={"triple": triple}), leave, entered


def request(row, signature):
    data = np.full((1, 2), row, np.float32).tobytes()
    return InferRequest("function", "", [InputTensor("x", "FP32", (1, 2))], [data], signature=signature)


def test_requests_of_two_signatures_that_wait_together_do_not_run_together(model, with_plane, one_model):
    model, leave, entered = model
    signatures = ["serving_default", "triple", None, "", "triple", "triple"]

    async def many(plane):
        first = [asyncio.create_task(plane.infer(request(0, each))) for each in ("", "triple")]
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        await until_async(lambda: plane.pending(model) == 0)
        others = [
            asyncio.create_task(plane.infer(request(1 + at, each))) for at, each in enumerate(signatures)
        ]
        await until_async(lambda: plane.pending(model) == len(signatures))
        leave.set()
        return await asyncio.gather(*first, *others)

    results = with_plane(one_model(model), many)
    assert [result.signature for result in results[2:]] == [each or "serving_default" for each in signatures]
    factors = [3 if each == "triple" else 2 for each in signatures]
    assert [result.arrays[0][0, 0] for result in results[2:]] == [
        factor * (1 + at) for at, factor in enumerate(factors)
    ]
    assert model.runtime.batches == [1, 3]
    assert model.others["triple"].runtime.batches == [1, 3]
    assert (model.statistics.success.count, model.statistics.rows, model.statistics.runs) == (8, 8, 4)


def test_a_signature_that_is_not_there_is_refused_and_counted(model, with_plane, one_model):
    model, leave, _ = model
    leave.set()
    with pytest.raises(
        InvalidInputError, match="has no signature 'none'; it has 'serving_default', 'triple'"
    ):
        with_plane(one_model(model), lambda plane: plane.infer(request(1, "none")))
    assert model.statistics.fail.count == 1


def test_a_model_that_goes_lets_go_of_all_its_signatures(model, with_plane, one_model):
    model, leave, _ = model
    leave.set()
    repository = one_model(model)

    def threads():
        return [each for each in threading.enumerate() if each.name == "model-function-1"]

    async def go(plane):
        for signature in ("", "triple"):
            await plane.infer(request(1, signature))
        assert len(threads()) == 2
        repository.retired([model])
        await until_async(lambda: not threads())

    with_plane(repository, go)


@pytest.mark.parametrize(("name", "found"), [("triple", "triple"), ("", "triple"), ("serving_default", None)])
def test_the_only_signature_is_meant_by_none_whatever_it_is_called(model, name, found):
    only = model[0].others["triple"]
    if found is None:
        with pytest.raises(InvalidInputError, match="has no signature 'serving_default'; it has 'triple'"):
            only.called(name)
    else:
        assert only.called(name).signature == found


def test_none_is_not_any_of_several(model):
    triple = replace(model[0].others["triple"], others={"other": model[0]})
    with pytest.raises(
        InvalidInputError, match="has no signature 'serving_default'; it has 'triple', 'other'"
    ):
        triple.called("")
