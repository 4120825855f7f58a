"""The exact GELU, whose Erfc ONNX does not have."""

import keras
import numpy as np
import onnx

from converter.artefacts.runtimes import open_artefact


def test_one_gelu_after_another_is_exported_and_answers_as_keras(export):
    keras.utils.set_random_seed(5)
    x = keras.Input((6,), name="x")
    hidden = keras.layers.Dense(8, activation="gelu")(x)
    y = keras.layers.Dense(3, activation="gelu", name="y")(hidden)
    model = keras.Model([x], [y])
    path = export(model, "onnx")
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators.count("Erf") == 2
    assert "Erfc" not in operators
    # From the far tail, where erfc is 0 or 2, to the middle: off by a few eps of float32 at the size of the values.
    samples = np.random.default_rng(5).normal(size=(64, 6)).astype(np.float32) * np.float32(8)
    answer = open_artefact("onnx", path).run({"x": samples})["y"]
    expected = keras.ops.convert_to_numpy(model([samples]))
    np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)
