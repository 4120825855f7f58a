"""What a lowered model needs: nothing that Keras does not have."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from converter.building.model_builder import build
from converter.layers import PSS, SS, PolynomialSS, RationalSS
from converter.lowering.lower import lower

ACTIVATIONS = {
    "pss": lambda: PSS([1.0, 2.0, 0.5]),
    "ss": SS,
    "rational_ss": lambda: RationalSS(1.5, 0.8),
    "quotient": lambda: RationalSS(1.5, 1e-20),
    "quotient_by_channel": lambda: RationalSS([1.0, 2.0, 3.0], [0.0, 1.0, 2.0]),
    "polynomial": lambda: PolynomialSS([0.5, 0.25, 0.0, -0.01], 3.0),
    "formula": lambda: layers.Lambda(lambda x: ops.where(x > 0, ops.tanh(0.5 * x), -x / (1 + x**2))),
    "formula_in_cell": lambda: layers.GRU(3, activation=lambda x: x * ops.sigmoid(x)),
    "constant": lambda: PolynomialSS([0.5], 3.0),
    "cell": lambda: layers.TimeDistributed(layers.Dense(3, activation=PSS(2.0))),
}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras, reading HDF5
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_lowered_model_is_loaded_without_our_layers(saved, tmp_path, monkeypatch, activation, policy):
    def make():
        return keras.Sequential(
            [keras.Input((4, 3)), layers.Dense(3, dtype=policy), ACTIVATIONS[activation]()]
        )

    case = saved(f"plain_{activation}_{policy}", make, ".keras")
    path = tmp_path / "plain.keras"
    build(lower(case.graph).graph).save(path)
    for name in list(keras.saving.get_custom_objects()):
        monkeypatch.delitem(keras.saving.get_custom_objects(), name)
    loaded = keras.models.load_model(path)
    inputs = case.inputs()
    answer = np.asarray(keras.tree.flatten(loaded(inputs))[0])
    np.testing.assert_allclose(answer, case.original(inputs)[0], atol=1e-3 if "mixed" in policy else 1e-6)
