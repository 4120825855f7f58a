"""A value that is not chosen does not show in the answer, whatever it is."""

import keras
import numpy as np
import onnx
import pytest
from tf2onnx.onnx_opset.controlflow import Select

from converter.artefacts.runtimes import open_artefact
from converter.exporters.onnx.patches.where import where_as_where

ops = keras.ops


@pytest.mark.parametrize("opset", [13, 18])
def test_what_is_not_chosen_may_be_nan_or_infinite(export, opset):
    x = keras.Input((3,), name="x")
    y = ops.where(x > 0, ops.log(x), ops.exp(ops.negative(x) * 0.0) / ops.minimum(x, 0.0) * 0.0)
    path = export(keras.Model([x], [keras.layers.Identity(name="y")(y)]), "onnx", opset=opset)
    assert "Where" in [node.op_type for node in onnx.load(path).graph.node]
    answer = open_artefact("onnx", path).run({"x": np.array([[1.0, -1.0, np.e]], np.float32)})["y"]
    np.testing.assert_allclose(answer, [[0.0, 0.0, 1.0]], atol=1e-6)


def test_tf2onnx_is_as_before_afterwards_even_after_an_error():
    before = Select.__dict__["version_7"]
    with where_as_where():
        assert Select.__dict__["version_7"] is not before
    with pytest.raises(KeyError), where_as_where():
        raise KeyError
    assert Select.__dict__["version_7"] is before
