"""One form for one graph, however its nodes were named and ordered."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from converter.exporters.onnx.canonical import canonicalise

FLOAT, BOOL = TensorProto.FLOAT, TensorProto.BOOL


def conditional(prefix, *, turned=False):
    """y = |x| + (x * w if flag else x - w), z = flag; names and order depend on the arguments."""

    def name(base):
        return base if base in "xyz" or base == "flag" else f"{prefix}{base}"

    def node(op, inputs, output, **attributes):
        return helper.make_node(
            op,
            [name(i) for i in inputs],
            [name(output)],
            name(f"n_{output}"),
            f"about {prefix}",
            **attributes,
        )

    def branch(op):
        end = helper.make_tensor_value_info(name(f"{op}_end"), FLOAT, None)
        return helper.make_graph([node(op, ["x", "w"], f"{op}_end")], name(op), [], [end])

    nodes = [
        node("Abs", ["x"], "a"),
        node("Neg", ["x"], "unused"),
        node("If", ["flag"], "b", then_branch=branch("Mul"), else_branch=branch("Sub")),
        node("Add", ["a", "b"], "y"),
        node("Not", ["flag"], "z"),
    ]
    if turned:
        nodes = [nodes[4], nodes[2], nodes[0], nodes[3], nodes[1]]
    weights = [numpy_helper.from_array(np.array([2.0], np.float32), name(n)) for n in ("w", "spare")]
    graph = helper.make_graph(
        nodes,
        prefix,
        [helper.make_tensor_value_info("x", FLOAT, ["n"]), helper.make_tensor_value_info("flag", BOOL, [])],
        [helper.make_tensor_value_info("y", FLOAT, ["n"]), helper.make_tensor_value_info("z", BOOL, [])],
        weights[::-1] if turned else weights,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    canonicalise(proto.graph, ["x", "flag"], ["y", "z"])
    return proto


def test_names_and_order_of_the_source_leave_no_trace():
    one, other = conditional("p/"), conditional("q:", turned=True)
    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


def test_nodes_stand_as_outputs_need_them_and_the_unused_is_gone():
    graph = conditional("p/").graph
    assert [node.name for node in graph.node] == ["Abs_0", "If_0", "Add_0", "Not_0"]
    assert [tensor.name for tensor in graph.initializer] == ["If_0.captured"]


def test_a_subgraph_still_reads_the_outer_scope():
    proto = conditional("p/")
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    x = np.array([-3, 5], np.float32)
    for flag, expected in ((True, abs(x) + x * 2), (False, abs(x) + x - 2)):
        y, z = session.run(["y", "z"], {"x": x, "flag": np.array(flag)})
        np.testing.assert_array_equal(y, expected)
        assert z == (not flag)


def test_an_end_named_like_a_node_keeps_its_name():
    nodes = [helper.make_node("Abs", ["in"], ["m"]), helper.make_node("Abs", ["m"], ["out"])]
    ends = [helper.make_tensor_value_info(name, FLOAT, ["n"]) for name in ("in", "out")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    canonicalise(graph, ["Abs_0"], ["Abs_1"])
    assert (graph.input[0].name, graph.output[0].name) == ("Abs_0", "Abs_1")
    assert list(graph.node[0].input) == ["Abs_0"]
    assert list(graph.node[1].output) == ["Abs_1"]
    assert len({*graph.node[0].input, *graph.node[0].output, *graph.node[1].output}) == 3


def test_equal_initializers_become_one_and_different_ones_stay():
    nodes = [helper.make_node("Mul", ["x", "a"], ["h"]), helper.make_node("Add", ["h", "b"], ["i"])]
    nodes.append(helper.make_node("Sub", ["i", "c"], ["y"]))
    ends = [helper.make_tensor_value_info(name, FLOAT, ["n"]) for name in "xy"]
    values = {"a": np.float32(2), "b": np.float32(2), "c": np.array([2], np.float32)}
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    canonicalise(graph, ["x"], ["y"])
    assert [tensor.name for tensor in graph.initializer] == ["Mul_0.B", "Sub_0.B"]
    assert list(graph.node[1].input) == ["Mul_0", "Mul_0.B"]
