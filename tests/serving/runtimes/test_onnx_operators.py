"""What an ONNX file's operators are, and which of them may meet tensors without elements."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from patience import PATIENCE

from serving.runtimes.onnx_operators import EMPTY_PROOF, UNKNOWN, operators

TRY = Path(__file__).with_name("try_empty_tensors.py")


@pytest.fixture
def found(tmp_path):
    """The operators of a file with this content."""

    def read(content):
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        return operators(path)

    return read


def test_no_operator_that_is_said_to_survive_an_empty_tensor_ends_the_process():
    tried = subprocess.run(
        [sys.executable, str(TRY)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"},
    )
    assert tried.returncode == 0, (tried.stdout.splitlines()[-1:], tried.stderr[-1000:])
    assert set(tried.stdout.split()) == EMPTY_PROOF


def test_operators_are_read_whatever_stands_between_them(found, onnx_models):
    assert found(onnx_models.affine()) == {"Mul", "Add"}
    assert found(onnx_models.lookup()) == {"Gather"}


def test_graphs_within_nodes_are_read_too(found, onnx_models):
    assert found(onnx_models.counter()) == {"Reshape", "Loop", "Add", "Identity"}


def test_functions_are_read_too_and_other_domains_are_named(found):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy")
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    inner = helper.make_function("mine", "f", ["a"], ["b"], [helper.make_node("Tanh", ["a"], ["b"])], opsets)
    nodes = [helper.make_node("f", ["x"], ["y"], domain="mine")]
    graph = helper.make_graph(nodes, "test", [x], [y])
    made = helper.make_model(graph, opset_imports=opsets, functions=[inner], ir_version=8)
    assert found(made.SerializeToString()) == {"mine.f", "Tanh"}


def test_the_default_domain_has_two_names(found):
    node = helper.make_node("Relu", ["x"], ["y"], domain="ai.onnx")
    learned = helper.make_node("Scaler", ["x"], ["z"], domain="ai.onnx.ml")
    content = helper.make_model(helper.make_graph([node, learned], "test", [], [])).SerializeToString()
    assert found(content) == {"Relu", ".ml.Scaler"}
    assert not found(content) <= EMPTY_PROOF


def test_weights_that_look_like_nodes_are_none(found, onnx_models):
    looks = np.frombuffer(b"\x22\x04Loop" * 40, np.uint8)
    x, y = (helper.make_tensor_value_info(name, TensorProto.UINT8, ["n"]) for name in "xy")
    weights = [onnx.numpy_helper.from_array(looks, "w")]
    content = onnx_models.save([helper.make_node("Concat", ["x", "w"], ["y"], axis=0)], [x], [y], weights)
    assert found(content) == {"Concat"}


@pytest.mark.parametrize("content", [b"", b"junk", b"\x3a\xff", b"\x3a\x7f\x0a", b"\xff" * 20, b"\x3b"])
def test_what_cannot_be_read_is_unknown(found, content):
    assert found(content) == {UNKNOWN}


def test_every_beginning_of_a_file_is_read_or_unknown(found, onnx_models):
    content = onnx_models.counter()
    for end in range(1, len(content)):
        assert found(content[:end]) <= {UNKNOWN, "Reshape", "Loop", "Add", "Identity"}
