import numpy as np
import pytest

from converter.archive import Weight
from converter.description.weight_shapes import require_fitting_weights
from converter.errors import UnsafeFileError
from converter.graph import Graph, Layer

DENSE = {"units": 3, "use_bias": True}
CONV = {"filters": 5, "kernel_size": [3, 2]}


def check(kind, config, *shapes, prefix="vars/"):
    weights = {f"{prefix}{i}": Weight.of(np.zeros(shape, "f4")) for i, shape in enumerate(shapes)}
    layer = Layer("here", kind, config, weights=weights)
    require_fitting_weights(Graph("model", {"here": layer}, (), (), ()))


@pytest.mark.parametrize(
    ("kind", "config", "shapes"),
    [
        ("Dense", DENSE, [(4, 3), (3,)]),
        ("Dense", {"units": 3, "use_bias": False}, [(4, 3)]),
        ("Embedding", {"input_dim": 9, "output_dim": 2}, [(9, 2)]),
        ("Conv2D", CONV, [(3, 2, 7, 5), (5,)]),
        ("Conv1D", {"filters": 5, "kernel_size": 3}, [(3, 7, 5), (5,)]),
        ("Conv2DTranspose", CONV, [(3, 2, 5, 7), (5,)]),
        ("DepthwiseConv2D", {"kernel_size": [3, 2], "depth_multiplier": 2}, [(3, 2, 7, 2), (14,)]),
        ("SeparableConv1D", {"filters": 5, "kernel_size": [3]}, [(3, 7, 1), (1, 7, 5), (5,)]),
        ("ReLU", {}, []),
        ("BatchNormalization", {}, [(3,)] * 4),
    ],
)
def test_weights_that_fit_are_let_through(kind, config, shapes):
    check(kind, config, *shapes)


@pytest.mark.parametrize(
    ("kind", "bias", "gates"), [("LSTM", (8,), 8), ("GRU", (2, 6), 6), ("SimpleRNN", (2,), 2)]
)
def test_recurrent_weights_that_fit_are_let_through(kind, bias, gates):
    check(kind, {"units": 2}, (4, gates), (2, gates), bias, prefix="cell/vars/")


@pytest.mark.parametrize(
    ("kind", "config", "shapes", "message"),
    [
        ("Dense", {"units": 10**9}, [(4, 3), (3,)], "of shape (4, 3) where its options call for (?, 1000000000)"),
        ("Dense", {"units": 4}, [(4, 3), (3,)], "stores vars/0 of shape (4, 3) where its options call for (?, 4)"),
        ("Dense", DENSE, [(4, 3), (4,)], "stores vars/1 of shape (4,) where its options call for (3)"),
        ("Dense", DENSE, [(3,), (3,)], "stores vars/0 of shape (3,) where its options call for (?, 3)"),
        ("Dense", {"units": "3"}, [(4, 3), (3,)], "of shape (4, 3) where its options call for (?, '3')"),
        ("Dense", DENSE, [], "stores 0 weights where its options call for 2"),
        ("Dense", DENSE, [(4, 3)], "stores 1 weights where its options call for 2"),
        ("Embedding", {"input_dim": 2**40, "output_dim": 2}, [(9, 2)], "call for (1099511627776, 2)"),
        ("Conv2D", {"filters": 5, "kernel_size": [3, 9999]}, [(3, 2, 7, 5), (5,)], "call for (3, 9999, ?, 5)"),
        ("Conv2D", CONV, [(3, 2, 7, 6), (6,)], "call for (3, 2, ?, 5)"),
        ("Conv2DTranspose", CONV, [(3, 2, 7, 5), (5,)], "call for (3, 2, 5, ?)"),
        ("DepthwiseConv1D", {"kernel_size": [3], "depth_multiplier": 99}, [(3, 7, 1), (7,)], "call for (3, ?, 99)"),
        ("SeparableConv2D", CONV, [(3, 2, 7, 1), (1, 1, 7, 6), (6,)], "call for (1, 1, ?, 5)"),
        ("LSTM", {"units": 3}, [], "stores 0 weights where its options call for 3"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_the_options_are_refused_before_keras_sees_them(
    kind, config, shapes, message
):
    with pytest.raises(UnsafeFileError) as refusal:
        check(kind, config, *shapes)
    assert message in refusal.value.what
    assert refusal.value.where == "layer 'here'"
