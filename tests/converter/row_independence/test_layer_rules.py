"""What is known to work row by row, kind by kind, and that what does not is never taken for it."""

import json
import re
import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from converter.archive import open_archive
from converter.artefacts.runtimes import open_artefact
from converter.building.formula_models import FORMULA_MODELS
from converter.building.model_builder import build_with_shapes
from converter.command.cli import main
from converter.description import InputShapes, describe
from converter.description.operations import _OPERATIONS
from converter.description.supported_layers import IDENTITY_AT_INFERENCE, SUPPORTED_LAYERS
from converter.graph import Call, Graph, Layer, Ref
from converter.parity.probes import probes
from converter.parity.reference import Answer
from converter.parity.tolerance_settings import ToleranceSettings
from converter.row_independence.layer_rules import RULES, UNPROVED, coupling
from converter.row_independence.measurement import coupled_output
from converter.signature import Signature, TensorSpec


def test_every_kind_that_is_built_has_a_rule_or_is_stated_to_have_none():
    functions = {re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower() for name in _OPERATIONS}
    built = {
        *SUPPORTED_LAYERS,
        *FORMULA_MODELS,
        *IDENTITY_AT_INFERENCE,
        *(f"ops.{name}" for name in functions),
    }
    assert set(RULES) | UNPROVED == built
    assert not set(RULES) & UNPROVED


@pytest.fixture
def found(tmp_path):
    """What keeps a Keras model of one input from being known to work row by row."""

    def find(function, *shape):
        x = keras.Input(shape, name="x")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keras.Model(x, function(x)).save(tmp_path / "model.keras")
        with open_archive(tmp_path / "model.keras") as archive:
            graph = describe(archive, {}, InputShapes()).graph
            return coupling(graph, build_with_shapes(graph)[1])

    return find


INDEPENDENT = {
    "sum_over_features": lambda x: ops.sum(x, axis=[1, -1]),
    "constant_for_each_feature": lambda x: x * np.arange(4, dtype="float32"),
    "constant_with_a_batch_of_one": lambda x: x * ops.ones_like(x)[:, :1],
    "constant_for_all_rows": lambda x: x + np.ones((1, 3, 4), "float32"),
    "product_with_a_matrix": lambda x: ops.matmul(x, np.ones((4, 2), "float32")),
    "product_of_matrices": lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
    "reshape": lambda x: ops.reshape(x, (-1, 12)),
    "items": lambda x: x[:, 1:, ::2],
    "last_item": lambda x: x[..., 0],
    "cumsum_over_steps": lambda x: ops.cumsum(x, axis=1),
    "stack_beside_the_batch": lambda x: ops.stack([x, x], axis=1),
    "softmax_over_steps": layers.Softmax(axis=1),
    "batch_normalisation_at_inference": layers.BatchNormalization(axis=1),
    "flip": lambda x: ops.flip(x, axis=-1),
    "tile": lambda x: ops.tile(x, (1, 2, 1)),
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0))),
    "swap": lambda x: ops.swapaxes(x, 1, 2),
    "move": lambda x: ops.moveaxis(x, 1, -1),
    "take": lambda x: ops.take(x, np.array([2, 0]), axis=1),
    "einsum": layers.EinsumDense("...x,xy->...y", output_shape=5),
}


@pytest.mark.parametrize("name", INDEPENDENT)
def test_what_works_within_rows_is_known(found, name):
    assert found(INDEPENDENT[name], 3, 4) == ""


COUPLED = {
    "mean_of_all": lambda x: x - ops.mean(x),
    "mean_over_batch": lambda x: x - ops.mean(x, axis=0, keepdims=True),
    "mean_over_batch_counted_from_the_end": lambda x: x - ops.mean(x, axis=-3, keepdims=True),
    "mean_over_batch_among_others": lambda x: x - ops.mean(x, axis=(1, 0), keepdims=True),
    "max_over_batch": lambda x: x / ops.max(x, axis=0, keepdims=True),
    "cumsum_over_batch": lambda x: ops.cumsum(x, axis=0),
    "cumsum_of_all": ops.cumsum,
    "softmax_over_batch": layers.Softmax(axis=0),
    "softmax_operation_over_batch": lambda x: ops.softmax(x, axis=0),
    "unit_over_batch": layers.UnitNormalization(axis=0),
    "flipped_batch": lambda x: ops.flip(x, axis=0),
    "rolled_batch": lambda x: ops.roll(x, 1, axis=0),
    "rolled_all": lambda x: ops.roll(x, 1),
    "batch_twice": lambda x: ops.concatenate([x, x], axis=0),
    "batch_twice_by_layer": lambda x: layers.Concatenate(axis=0)([x, x]),
    "repeated_rows": lambda x: ops.repeat(x, 2, axis=0),
    "first_row": lambda x: x - x[0:1, :],
    "rows_from_one_on": lambda x: x[1:, :],
    "rows_backwards": lambda x: x[::-1, :],
    "steps_first": lambda x: ops.mean(ops.transpose(x, (1, 0, 2)), axis=1),
    "rows_from_one_on_behind_an_ellipsis": lambda x: x[..., 1:, :, :],
    "transposed": ops.transpose,
    "swapped": lambda x: ops.swapaxes(x, 0, 1),
    "moved": lambda x: ops.moveaxis(x, 0, 1),
    "reshaped_over_rows": lambda x: ops.reshape(x, (-1, 4)),
    "other_rank": lambda x: x + ops.sum(x, axis=(1, 2)),
    "new_axis_in_front": lambda x: ops.mean(ops.expand_dims(x, 0), axis=1),
    "stacked_in_front": lambda x: ops.sum(ops.stack([x, x], axis=0), axis=0),
    "tiled_batch": lambda x: ops.tile(x, (2, 1, 1)),
    "padded_batch": lambda x: ops.pad(x, ((1, 0), (0, 0), (0, 0))),
    "tensordot": lambda x: ops.tensordot(x, np.ones((4, 2), "float32"), axes=1),
    "constant_with_a_batch": lambda x: x * np.ones((2, 3, 4), "float32"),
    "constant_that_a_layer_takes_for_rows": lambda x: layers.Multiply()([x, np.ones((3, 4), "float32")]),
    "taken_rows": lambda x: ops.take(x, np.array([0]), axis=0),
}


@pytest.mark.parametrize("name", COUPLED)
def test_what_works_over_the_batch_is_named(found, name):
    assert re.fullmatch(r"layer '.+' \(\w+\) is not known to work row by row", found(COUPLED[name], 3, 4))


def called(layer, *shape, made=None):
    """What is found of one layer that takes a tensor of that shape, which no file need hold."""
    graph = Graph(
        "m",
        {"x": Layer("x", "InputLayer"), "y": layer.but(name="y")},
        (Call("y", 0, (Ref("x"),)),),
        (("x", Ref("x")),),
        (("y", Ref("y")),),
    )
    return coupling(graph, {Ref("x"): shape, Ref("y"): made or shape})


@pytest.mark.parametrize(
    ("kind", "config"),
    [("Activation", {"activation": "softmax"}), ("Softmax", {}), ("ops.softmax", {}), ("Masking", {})],
)
def test_the_last_axis_may_be_the_batch(kind, config):
    assert called(Layer("y", kind, config), None, 3) == ""
    assert "'y'" in called(Layer("y", kind, config), None)


def test_an_image_without_a_batch_is_none():
    assert called(Layer("y", "Resizing", {"height": 2, "width": 2}), None, 4, 4, 3) == ""
    assert "'y'" in called(Layer("y", "Resizing", {"height": 2, "width": 2}), None, 4, 3)


def test_a_fixed_batch_claims_nothing():
    assert called(Layer("y", "Identity"), 3, 4) == "its batch is fixed"


def test_state_from_batch_to_batch_is_coupling():
    for stateful in (False, True):
        cell = Layer("cell", "LSTM", {"units": 2, "stateful": stateful})
        for layer in (cell, Layer("both", "Bidirectional", {"layer": cell})):
            assert bool(called(layer, None, 3, 4, made=(None, 2))) is stateful


def test_a_step_may_take_the_batch_for_its_own_axis(found):
    """Within each step an axis is counted without the steps."""
    assert found(layers.TimeDistributed(layers.Softmax(axis=1)), 3, 4, 5) == ""
    assert "TimeDistributed" in found(layers.TimeDistributed(layers.Softmax(axis=0)), 3, 4, 5)


# In numbers.


class Computed:
    """An artefact that is a function of its input."""

    def __init__(self, function):
        self.function = function

    def run(self, inputs):
        return {"y": self.function(inputs["x"])}


def quantised(x):
    step = np.float32(max(np.abs(x).max(), 1e-9) / 127)
    return np.round(x / step) * step


WEIGHTS = np.random.default_rng(0).standard_normal((600, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("function", "output"),
    [
        (lambda x: x @ WEIGHTS, ""),
        (lambda x: x[:, :5] / (1 + np.abs(x[:, :5])), ""),
        (quantised, "y"),
        (lambda x: x - x.mean(axis=0), "y"),
        (lambda x: np.cumsum(x, axis=0), "y"),
        (lambda x: np.cumsum(x[::-1], axis=0)[::-1], "y"),
        (lambda x: x / len(x), "y"),
        (lambda x: x[:1], "y"),
    ],
)
def test_rows_of_very_different_scales_show_what_one_scale_does_not(function, output):
    names = Signature((TensorSpec("x", (None, 600), "float32"),), (TensorSpec("y", (None, 5), "float32"),))
    answers = [Answer(probe, {}, {}) for probe in probes(names.inputs, {}, 0)]
    assert coupled_output(Computed(function), answers, names, names, ToleranceSettings()) == output


# In what is published.


@pytest.fixture
def published(tmp_path, capsys):
    def run(model, *arguments):
        code = main([*map(str, (model, "--repository", tmp_path / "r", "--name", "m", *arguments))])
        assert code == 0, capsys.readouterr().err
        version = max((tmp_path / "r" / "m").glob("[0-9]*"))
        (entry,) = json.loads((version / "manifest.json").read_text())["artefacts"].values()
        config = tmp_path / "r" / "m" / "config.pbtxt"
        return entry, "dynamic_batching" in config.read_text() if config.exists() else None

    return run


@pytest.mark.parametrize("target", ["onnx", "tflite", "saved_model"])
def test_the_manifest_says_that_rows_are_independent_and_triton_may_join_them(models, published, target):
    entry, joins = published(models / "mnist_pss.keras", "--to", target)
    assert (entry["rows_independent"], entry["rows_coupled_by"]) == (True, "")
    assert joins is (True if target == "onnx" else None)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(("--batch", 2), "its batch is fixed"), (("--no-parity",), "nothing was compared")],
)
def test_what_is_not_proved_is_not_claimed(models, published, arguments, reason):
    entry, joins = published(models / "mnist_pss.keras", "--to", "onnx", *arguments)
    assert (entry["rows_independent"], entry["rows_coupled_by"], joins) == (False, reason, False)


def test_a_model_whose_rows_depend_on_each_other_is_converted_and_not_joined(published, tmp_path):
    x = keras.Input((4,), name="x")
    keras.Model(x, x - ops.mean(x, axis=0, keepdims=True)).save(tmp_path / "less_mean.keras")
    entry, joins = published(tmp_path / "less_mean.keras", "--to", "onnx")
    assert not entry["rows_independent"]
    assert "(mean) is not known to work row by row" in entry["rows_coupled_by"]
    assert joins is False
    version = tmp_path / "r" / "m" / "1"
    rows = np.array([[1, 2, 3, 4], [3, 4, 5, 6]], np.float32)
    answer = open_artefact("onnx", version / "model.onnx").run({"x": rows})
    np.testing.assert_array_equal(next(iter(answer.values())), np.repeat([[-1.0], [1.0]], 4, axis=1))
