"""A user's class ends a mask, an argument and our layers do not: the answers tell which."""

import keras
import numpy as np
import pytest
from keras import layers

from converter.building.model_builder import build
from converter.layers import PSS, PolynomialSS, RationalSS
from converter.lowering.lower import lower

LOADING = "ignore:__array__ implementation:DeprecationWarning"  # Keras reads HDF5 in an old way
STEPS = np.array([[1, 2, 0, 0, 0, 0], [3, 1, 4, 2, 0, 0], [5, 5, 1, 2, 3, 4]], "int32")


class PSSLayer(layers.Layer):
    def __init__(self, alpha=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return keras.ops.sigmoid(self.alpha * inputs)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


class RationalSSLayer(layers.Layer):
    def call(self, inputs):
        return 2.0 * inputs

    def get_config(self):
        return {**super().get_config(), "a": 2.0, "b": 0.0}


def smooth_sigmoid(x):
    return x / (1 + keras.ops.abs(x))


def masked(middle, *, last=None):
    def make():
        return keras.Sequential(
            [
                keras.Input((6,), dtype="int32"),
                layers.Embedding(6, 4, mask_zero=True),
                middle(),
                last() if last else layers.LSTM(3),
                layers.Dense(2),
            ]
        )

    return make


ENDS = {
    "class": masked(lambda: PSSLayer(3.0)),
    "scale_alone": masked(RationalSSLayer),
    "lambda": masked(lambda: layers.Lambda(lambda x: x / (1 + abs(x)))),
    "built_in": masked(lambda: layers.Conv1D(3, 3, padding="same")),
}
GOES_ON = {
    "argument": masked(lambda: layers.Dense(3, activation=PSSLayer(3.0))),
    "function": masked(lambda: layers.Activation(smooth_sigmoid)),
    "own": masked(lambda: PSS(3.0)),
    "own_quotient": masked(lambda: RationalSS(2.0, 1e-8)),
    "own_polynomial": masked(lambda: PolynomialSS([0.5, 0.2, 0.1], 2.0)),
    "in_cell": masked(lambda: layers.GRU(3, activation=PSS(3.0), return_sequences=True)),
    "bidirectional": masked(
        lambda: PSS(3.0), last=lambda: layers.Bidirectional(layers.LSTM(2, activation=PSS(0.5)))
    ),
    "pooled": masked(lambda: PSS(3.0), last=layers.GlobalAveragePooling1D),
    "nested": masked(lambda: keras.Sequential([keras.Input((6, 4)), layers.Dense(4), PSS(2.0)])),
}


def all_answers(case, answers):
    return (
        case.original([STEPS])[0],
        answers(case.graph, [STEPS])[0],
        answers(lower(case.graph).graph, [STEPS])[0],
    )


@pytest.mark.parametrize("form", [*ENDS, *GOES_ON])
def test_a_mask_means_what_it_meant(saved, answers, form):
    case = saved(f"mask_{form}", {**ENDS, **GOES_ON}[form], ".keras")
    original, reference, lowered = all_answers(case, answers)
    np.testing.assert_allclose(reference, original, atol=1e-6)
    np.testing.assert_allclose(lowered, original, atol=1e-6)


@pytest.mark.parametrize("form", ["class", "scale_alone", "lambda"])
def test_these_numbers_differ_if_the_mask_went_on(saved, answers, form):
    case = saved(f"mask_{form}", ENDS[form], ".keras")
    passing = {name: layer.but(stops_mask=False) for name, layer in case.graph.layers.items()}
    wrong = answers(case.graph.but(layers=passing), [STEPS])[0]
    assert np.abs(wrong - case.original([STEPS])[0]).max() > 1e-3


@pytest.mark.parametrize("form", ["own", "own_quotient", "own_polynomial", "argument"])
def test_these_numbers_differ_if_the_mask_ended(saved, answers, form):
    case = saved(f"mask_{form}", GOES_ON[form], ".keras")
    stopping = {
        name: layer.but(stops_mask=bool(layer.activations) or layer.kind == "Dense")
        for name, layer in case.graph.layers.items()
    }
    wrong = answers(case.graph.but(layers=stopping), [STEPS])[0]
    assert np.abs(wrong - case.original([STEPS])[0]).max() > 1e-3


def test_a_model_without_masks_gets_no_stops(saved):
    def make():
        return keras.Sequential([keras.Input((4,)), layers.Dense(3), RationalSSLayer(), layers.Dense(2)])

    lowered = lower(saved("mask_none", make, ".keras").graph)
    assert not any(layer.stops_mask for layer in lowered.graph.layers.values())


def test_a_mask_ends_at_a_step_that_folding_leaves_unless_a_scale_is_all_there_is(saved):
    def stops(form):
        graph = lower(saved(f"mask_{form}", ENDS[form], ".keras").graph).graph
        return [layer.kind for layer in graph.layers.values() if layer.stops_mask]

    assert stops("class") == ["Activation"]
    assert stops("scale_alone") == ["Rescaling"]


@pytest.mark.filterwarnings(LOADING)
def test_a_mask_is_ended_by_an_operation_that_any_keras_loads(saved, tmp_path):
    case = saved("mask_class", ENDS["class"], ".keras")
    path = tmp_path / "plain.keras"
    build(lower(case.graph).graph).save(path)
    loaded = keras.models.load_model(path)
    assert "StopGradient" in {type(operation).__name__ for operation in loaded.operations}
    np.testing.assert_allclose(
        np.asarray(keras.tree.flatten(loaded([STEPS]))[0]), case.original([STEPS])[0], atol=1e-6
    )
