"""Each rewrite on a small graph: what is left of it, that the numbers stay, and when it must not fire."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.exporters.onnx.canonical import canonicalise
from converter.exporters.onnx.rewrites import simplify

FLOAT, INT32 = TensorProto.FLOAT, TensorProto.INT32


def model(nodes, constants=None, shape=("batch", 2, 3), dtype=FLOAT, outputs=("y",), out_dtype=None):
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info(name, out_dtype or dtype, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return onnx.shape_inference.infer_shapes(proto)


def run(proto, x):
    return onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})


def rewritten(proto, x):
    """Operators left after the rewrites; the numbers are compared on the way."""
    before = run(proto, x)
    simplify(proto)
    canonicalise(proto.graph, ["x"], [value.name for value in proto.graph.output])
    onnx.checker.check_model(proto, full_check=True)
    for old, new in zip(before, run(proto, x), strict=True):
        np.testing.assert_array_equal(old, new)
    return [node.op_type for node in proto.graph.node]


X = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
F32 = np.float32


@pytest.mark.parametrize(
    ("op", "operands", "constant"),
    [
        ("Add", ("h", "c"), F32(0)),
        ("Add", ("c", "h"), F32(0)),
        ("Add", ("h", "c"), np.zeros((1, 1), F32)),
        ("Sub", ("h", "c"), F32(0)),
        ("Mul", ("c", "h"), F32(1)),
        ("Div", ("h", "c"), F32(1)),
    ],
)
def test_an_operator_with_its_neutral_constant_goes(op, operands, constant):
    nodes = [helper.make_node("Abs", ["x"], ["h"]), helper.make_node(op, operands, ["y"])]
    assert rewritten(model(nodes, {"c": constant}), X) == ["Abs"]


@pytest.mark.parametrize(
    ("op", "operands", "constant"),
    [
        ("Add", ("h", "c"), F32(1e-30)),
        ("Sub", ("c", "h"), F32(0)),  # the negative
        ("Div", ("c", "h"), F32(1)),  # the reciprocal
        ("Mul", ("h", "c"), F32(0)),
        ("Add", ("h", "c"), np.zeros((5, 1, 1, 1), F32)),  # broadcasts to a larger shape
        ("Add", ("h", "c"), np.zeros((1, 1, 1, 1), F32)),  # raises the rank
    ],
)
def test_an_operator_that_does_something_stays(op, operands, constant):
    nodes = [helper.make_node("Abs", ["x"], ["h"]), helper.make_node(op, operands, ["y"])]
    assert rewritten(model(nodes, {"c": constant}), X) == ["Abs", op]


def test_a_cast_to_its_own_type_and_an_identity_go():
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=FLOAT),
        helper.make_node("Abs", ["a"], ["b"]),
        helper.make_node("Identity", ["b"], ["y"]),
    ]
    assert rewritten(model(nodes), X) == ["Abs"]


def test_a_cast_to_another_type_stays():
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=INT32)]
    assert rewritten(model(nodes, out_dtype=INT32), X) == ["Cast"]


def test_an_identity_between_an_input_and_an_output_stays():
    assert rewritten(model([helper.make_node("Identity", ["x"], ["y"])]), X) == ["Identity"]


def test_an_identity_between_two_outputs_stays():
    nodes = [helper.make_node("Abs", ["x"], ["y"]), helper.make_node("Identity", ["y"], ["z"])]
    assert rewritten(model(nodes, outputs=("y", "z")), X) == ["Abs", "Identity"]


def flatten(last):
    return [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "one", "zero"], ["first"]),
        helper.make_node("Concat", ["first", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], [last]),
    ]


INT64S = {name: np.array([value], np.int64) for name, value in [("zero", 0), ("one", 1), ("rest", 6)]}


def test_a_computed_shape_with_one_free_size_becomes_a_constant():
    proto = model(flatten("y"), INT64S)
    assert rewritten(proto, X) == ["Reshape"]
    assert numpy_helper.to_array(proto.graph.initializer[0]).tolist() == [-1, 6]


def test_a_computed_shape_with_two_free_sizes_stays():
    proto = model(flatten("y"), {**INT64S, "rest": np.array([-1], np.int64)}, shape=("batch", "n", "m"))
    assert "Shape" in rewritten(proto, X)


def transposes(*, second=(0, 2, 1), between="Softsign"):
    return [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 2, 1]),
        helper.make_node(between, ["a"], ["b"]),
        helper.make_node("Abs", ["b"], ["c"]),
        helper.make_node("Transpose", ["c"], ["y"], perm=second),
    ]


def test_transposes_cancel_across_elementwise_operators():
    assert rewritten(model(transposes()), X) == ["Softsign", "Abs"]


def test_transposes_that_are_not_inverse_stay():
    operators = rewritten(model(transposes(second=(1, 2, 0))), X)
    assert operators == ["Transpose", "Softsign", "Abs", "Transpose"]


def test_transposes_stay_around_an_operator_along_an_axis():
    assert rewritten(model(transposes(between="Softmax")), X).count("Transpose") == 2


@pytest.mark.parametrize("shared", ["a", "b", "c"])
def test_transposes_stay_where_something_else_reads_between_them(shared):
    nodes = [*transposes(), helper.make_node("Neg", [shared], ["z"])]
    assert rewritten(model(nodes, outputs=("y", "z")), X).count("Transpose") == 2


def embedding(rows=5, negative=0, other=None):
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=FLOAT),
        helper.make_node("Less", ["f", "zero"], ["less"]),
        helper.make_node("Add", ["x", "rows"], ["shifted"]),
        helper.make_node("Where", ["less", "shifted", other or "x"], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["y"]),
    ]
    table = np.arange(10, dtype=F32).reshape(5, 2)
    constants = {"zero": F32(negative), "rows": np.int32(rows), "table": table, "two": np.int32(1)}
    return model(nodes, constants, shape=("batch", 3), dtype=INT32, out_dtype=FLOAT)


INDICES = np.array([[0, 4, -1], [-5, 2, -3]], np.int32)


def test_an_index_wrapped_at_the_number_of_rows_is_gathered_as_it_is():
    assert rewritten(embedding(), INDICES) == ["Gather"]


@pytest.mark.parametrize("change", [{"rows": 4}, {"negative": -6}, {"other": "two"}])
def test_an_index_that_is_computed_otherwise_stays(change):
    assert len(rewritten(embedding(**change), np.abs(INDICES) % 2 + 1)) > 1
