"""A softmax over channels: tf2onnx computes it with the channels in front, and transposes after it."""

import keras
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from converter.artefacts.onnx import OnnxArtefact
from converter.options import Options
from converter.pipeline import convert


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_what_goes_into_it_is_compared_in_the_models_own_layout(tmp_path):
    image = keras.Input((6, 5, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    keras.Model(image, keras.layers.Conv2D(2, 1, activation="softmax", name="map")(x)).save(
        tmp_path / "m.keras"
    )
    (outcome,) = convert(tmp_path / "m.keras", Options(("onnx",)), str.lower).outcomes
    assert outcome.error is None
    assert outcome.proof.before_softmax["map"].elements == outcome.proof.outputs["map"].elements


@pytest.mark.parametrize("perms", [[[1, 2, 0]], [[1, 2, 0], [0, 2, 1]], [None], [[2, 0, 1], None]])
def test_every_transposition_after_it_is_applied_in_order(tmp_path, perms):
    nodes = [helper.make_node("Softmax", ["x"], ["t0"], axis=0)]
    x = np.arange(24, dtype="float32").reshape(2, 3, 4)
    expected = x
    for number, perm in enumerate(perms):
        attributes = {} if perm is None else {"perm": perm}
        nodes.append(helper.make_node("Transpose", [f"t{number}"], [f"t{number + 1}"], **attributes))
        expected = np.transpose(expected, perm)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    outputs = [helper.make_tensor_value_info(f"t{len(perms)}", TensorProto.FLOAT, expected.shape)]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    (answer,) = OnnxArtefact(tmp_path / "m.onnx").run_before_softmax({"x": x}).values()
    assert np.array_equal(answer, expected)
