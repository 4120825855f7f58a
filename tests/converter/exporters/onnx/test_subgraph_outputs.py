"""What a body returns is made within it: OpenVINO refuses a Loop that returns its own input."""

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.exporters.onnx.canonical import canonicalise
from converter.exporters.onnx.subgraph_outputs import separate_subgraph_outputs

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name, kind=FLOAT, shape=(2,)):
    return helper.make_tensor_value_info(name, kind, shape)


def loop(returned):
    """Three times ``sum += kept``; ``returned`` is what the body gives for its states sum, kept and other."""
    body = helper.make_graph(
        [
            helper.make_node("Add", ["sum", "kept"], ["sum_after"]),
            helper.make_node("Identity", ["go"], ["go_after"]),
        ],
        "body",
        [value("i", INT64, ()), value("go", BOOL, ()), value("sum"), value("kept"), value("other")],
        [value("go_after", BOOL, ()), *map(value, returned)],
    )
    node = helper.make_node("Loop", ["three", "yes", "x", "y", "y"], ["a", "b", "c"], body=body)
    graph = helper.make_graph(
        [node], "model", [value("x"), value("y")], [value("a"), value("b"), value("c")],
        [numpy_helper.from_array(np.array(3), "three"), numpy_helper.from_array(np.ones((), bool), "yes")],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


CASES = {
    "an input": (["sum_after", "kept", "other"], 2),
    "another state": (["sum_after", "other", "kept"], 2),
    "one value twice": (["sum_after", "sum_after", "other"], 2),
    "what stands outside": (["sum_after", "y", "other"], 2),
}


@pytest.mark.parametrize("case", CASES)
def test_a_body_that_passes_on_answers_as_before_in_openvino_too(case):
    returned, count = CASES[case]
    proto = loop(returned)
    feed = {"x": np.float32([1, 2]), "y": np.float32([10, 20])}
    expected = onnx.reference.ReferenceEvaluator(proto).run(None, feed)
    separate_subgraph_outputs(proto.graph)
    canonicalise(proto.graph, ["x", "y"], ["a", "b", "c"])
    onnx.checker.check_model(proto, full_check=True)
    (body,) = (attribute.g for attribute in proto.graph.node[0].attribute)
    inside = {name for node in body.node for name in node.output}
    names = [output.name for output in body.output]
    assert set(names) <= inside
    assert len(set(names)) == len(names)
    assert sum(node.op_type == "Identity" for node in body.node) == 1 + count
    np.testing.assert_array_equal(
        onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feed), expected
    )
    core = openvino.Core()
    answers = core.compile_model(core.read_model(proto.SerializeToString()), "CPU")(feed)
    np.testing.assert_array_equal([answers[name] for name in "abc"], expected)


def test_runtimes_refuse_what_stands_outside_otherwise():
    """So that the pass goes when it is not needed any more."""
    refused = loop(CASES["what stands outside"][0]).SerializeToString()
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail, match="add an Identity"):
        onnxruntime.InferenceSession(refused)
    core = openvino.Core()
    with pytest.raises(RuntimeError, match="Loop"):
        core.compile_model(core.read_model(refused), "CPU")


def test_a_branch_that_passes_on_and_a_body_within_a_body_are_reached():
    inner = helper.make_graph([], "then", [], [value("x")])
    other = helper.make_graph([helper.make_node("Neg", ["x"], ["n"])], "else", [], [value("n")])
    branch = helper.make_node("If", ["flag"], ["chosen"], then_branch=inner, else_branch=other)
    outer = helper.make_graph([branch], "outer", [], [value("chosen")])
    again = helper.make_graph([helper.make_node("Abs", ["x"], ["m"])], "again", [], [value("m")])
    node = helper.make_node("If", ["flag"], ["y"], then_branch=outer, else_branch=again)
    graph = helper.make_graph([node], "model", [value("flag", BOOL, ()), value("x")], [value("y")])
    separate_subgraph_outputs(graph)
    (nested,) = (each for each in next(a.g for a in graph.node[0].attribute if a.name == "then_branch").node)
    made = {a.name: [n.op_type for n in a.g.node] for a in nested.attribute}
    assert made == {"then_branch": ["Identity"], "else_branch": ["Neg"]}


def test_an_output_of_the_model_itself_is_left():
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "model", [value("x")], [value("y")])
    separate_subgraph_outputs(graph)
    assert [node.op_type for node in graph.node] == ["Neg"]
