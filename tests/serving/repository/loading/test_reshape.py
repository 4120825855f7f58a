"""Tensors whose shape on the wire is another than in the model."""

import numpy as np
import pytest

from serving.errors import ModelLoadError
from serving.repository.config import ModelConfig, TensorConfig
from serving.repository.loading import config_agreement
from serving.repository.loading.reshape import reshaped
from serving.runtimes.runtime import DEFAULT_SIGNATURE, PREDICT, TensorSpec


class Doubling:
    platform = "python_function"
    steady = True
    takes_empty = True
    signature, method, others = DEFAULT_SIGNATURE, PREDICT, ()

    def __init__(self, shape):
        self.inputs, self.outputs = (TensorSpec("x", "FP32", shape),), (TensorSpec("y", "FP32", shape),)
        self.seen = []

    def infer(self, inputs, outputs):
        self.seen.append(inputs["x"].shape)
        return [2 * inputs["x"] for _ in outputs]


def config(batch, dims, shape):
    x, y = (TensorConfig(name, "FP32", dims, reshape=shape) for name in "xy")
    return ModelConfig(max_batch_size=batch, inputs=(x,), outputs=(y,))


@pytest.mark.parametrize(
    ("model", "batch", "dims", "shape", "sent", "seen"),
    [
        # One image, of a model that wants a batch of one.
        ((1, 3, 2, 2), 0, (3, 2, 2), (1, 3, 2, 2), (3, 2, 2), (1, 3, 2, 2)),
        ((-1, 3, 2, 2), 0, (3, 2, 2), (1, 3, 2, 2), (3, 2, 2), (1, 3, 2, 2)),
        ((-1, 12), 8, (3, 2, 2), (12,), (5, 3, 2, 2), (5, 12)),
        # A scalar a row, which a config cannot write but so.
        ((-1,), 8, (1,), (), (5, 1), (5,)),
        ((-1, -1, 1), 8, (-1,), (-1, 1), (5, 7), (5, 7, 1)),
        ((-1, -1, 1), 8, (-1,), (-1, 1), (5, 0), (5, 0, 1)),
        ((-1, 2, -1, 3, -1), 8, (2, -1, 1, 3, -1), (2, -1, 3, -1), (5, 2, 7, 1, 3, 9), (5, 2, 7, 3, 9)),
    ],
)
def test_the_model_sees_one_shape_and_clients_the_other(model, batch, dims, shape, sent, seen):
    runtime, wanted = Doubling(model), config(batch, dims, shape)
    config_agreement.check(wanted, "m", runtime)
    served = reshaped(runtime, wanted)
    assert served.inputs[0].shape == ((-1, *dims) if batch else dims)
    x = np.random.default_rng(1).random(sent, np.float32)
    (y,) = served.infer({"x": x}, ["y"])
    np.testing.assert_array_equal(y, 2 * x)
    assert runtime.seen == [seen]


@pytest.mark.parametrize(
    ("dims", "shape", "reason"),
    [
        ((3, 2, 2), (13,), r"the reshape \[13\], and the model has \[12\] without the batch"),
        ((3, 2, 2), (3, 4), r"the reshape \[3, 4\], and the model has \[12\]"),
        ((3, 2, 3), (12,), r"dims \[3, 2, 3\], of which the reshape \[12\] cannot be made"),
        ((-1,), (12,), r"dims \[-1\], of which the reshape \[12\] cannot be made"),
        ((-3, -4), (12,), r"dims \[-3, -4\], of which"),
    ],
)
def test_what_cannot_be_reshaped_is_refused(dims, shape, reason):
    with pytest.raises(ModelLoadError, match=reason):
        config_agreement.check(config(8, dims, shape), "m", Doubling((-1, 12)))


@pytest.mark.parametrize(
    ("dims", "shape"), [((2, -1), (-1, 2)), ((-1, 4), (-1, 2)), ((-1, -1), (-1, 1)), ((4, -1), (2, -1))]
)
def test_free_sizes_keep_their_place(dims, shape):
    with pytest.raises(ModelLoadError, match="before, between and after each -1"):
        config_agreement.check(config(8, dims, shape), "m", Doubling((-1,) * 3))


def test_a_model_without_a_reshape_stays_itself():
    runtime = Doubling((-1, 12))
    assert reshaped(runtime, config(8, (12,), None)) is runtime
