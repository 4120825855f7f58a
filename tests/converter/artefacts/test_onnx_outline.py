"""Reading an ONNX file without its weights."""

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from converter.artefacts.onnx_outline import outline


@pytest.fixture
def saved(tmp_path):
    """A model with one large and one small initializer, saved; the path and what onnx itself reads."""
    weights = np.arange(4096, dtype=np.float32).reshape(64, 64)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Reshape", ["h", "shape"], ["y"])],
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 64])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.array([-1, 64]), "shape"),
            helper.make_tensor("typed", TensorProto.FLOAT, [3], [0.5, -1.0, 2.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    helper.set_model_props(model, {"plainserve": "{}"})
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    return path, onnx.load(path)


def test_everything_but_the_bytes_of_large_weights_is_there(saved):
    path, whole = saved
    read = outline(path)
    assert read.graph.initializer[0].raw_data == b""
    assert list(read.graph.initializer[0].dims) == [64, 64]
    whole.graph.initializer[0].ClearField("raw_data")
    assert read == whole


@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.99])
def test_truncated_file_is_an_error_and_not_a_smaller_model(saved, share):
    path, _ = saved
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises((ValueError, DecodeError)):
        outline(path)


@pytest.mark.parametrize("data", [b"\xff" * 20, b"PK\x03\x04 no model", b"\x0b"])
def test_what_is_no_message_is_an_error(tmp_path, data):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises((ValueError, DecodeError)):
        outline(path)
