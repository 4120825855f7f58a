"""Runs every operator that is said to survive it on tensors with a 0 in every place, alone and where runs fuse them.

Writes the name of each model before it is run, so that who started this knows at which it ended.
"""

import itertools
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
NUMPY = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}
ROWS, IMAGE, TOKENS = ["n", "k"], ["n", 3, "h", "w"], ["n", "s", 4]
SIZES = (0, 1, 3)


def floats(*shape):
    return np.ones(shape, np.float32)


def numbers(*values):
    return np.array(values, np.int64)


def model(nodes, inputs, constants, outputs):
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString()


def one(operator, shape=ROWS, kind=FLOAT, constants=None, out=None, inputs=("x",), **attributes):
    """A model of one node: x, then the constants."""
    constants = constants or {}
    node = helper.make_node(operator, [*inputs, *constants], ["y"], **attributes)
    given = {name: (kind, shape) for name in inputs if name}
    used = {name: array for name, array in constants.items() if name}
    return [operator], model([node], given, used, {"y": out or kind})


UNARY = """
    Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish Hardmax
    Identity LeakyRelu Log LogSoftmax LpNormalization Mish Neg Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh
    Softmax Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Dropout Transpose Flatten Trilu Max Min Mean Sum
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Squeeze
""".split()

PAIRS = "Add Sub Mul Div Pow Max Min Mean Sum PRelu".split()

COMPARISONS = "Equal Greater GreaterOrEqual Less LessOrEqual".split()

REDUCTIONS = [each for each in UNARY if each.startswith("Reduce")]


def single():
    """Models of one operator each."""
    yield from (one(each) for each in UNARY)
    yield from (one(each, inputs=("x", "x")) for each in PAIRS)
    yield from (one(each, constants={"c": floats(1)}) for each in PAIRS)
    yield from (one(each, inputs=("x", "x"), out=BOOL) for each in COMPARISONS)
    yield from (one(each, inputs=("x", "x"), kind=BOOL) for each in ("And", "Or", "Xor"))
    yield from (one(each, out=BOOL) for each in ("IsInf", "IsNaN"))
    yield one("Not", kind=BOOL)
    yield from (one(each, inputs=("x", "x"), kind=INT) for each in ("Div", "Mod"))
    for axis in (0, 1):
        yield from (one(each, constants={"axes": numbers(axis)}) for each in REDUCTIONS)
        yield from (one(each, axis=axis) for each in ("Softmax", "LogSoftmax", "Hardmax"))
        yield from (one(each, out=INT, axis=axis) for each in ("ArgMax", "ArgMin"))
        yield one("CumSum", constants={"axis": np.array(axis)})
        yield one("Concat", inputs=("x", "x"), axis=axis)
        yield one("Split", axis=axis, num_outputs=1)
        yield one("Gather", constants={"at": numbers(0)}, axis=axis)
        yield one("Compress", constants={"c": np.array([True])}, axis=axis)
        yield one("Unsqueeze", constants={"axes": numbers(axis)})
    yield from pictures()
    yield from places()
    yield one("MatMul", constants={"w": floats(4, 5)}, shape=["n", 4])
    yield one("MatMul", constants={"w": floats(4, 5)}, shape=TOKENS)
    yield one("Gemm", constants={"w": floats(4, 5), "b": floats(5)}, shape=["n", 4])
    yield one("LayerNormalization", constants={"s": floats(4)}, shape=TOKENS)
    yield one("LayerNormalization", constants={"s": floats(1)})
    yield one("Clip", constants={"least": np.float32(0), "most": np.float32(1)})
    yield one("Cast", to=INT, out=INT)
    yield from (one(each, out=INT) for each in ("Shape", "Size", "NonZero"))
    yield free_pairs()


def pictures():
    """Operators on images."""
    weights, scale = floats(2, 3, 3, 3), {"s": floats(3), "b": floats(3)}
    yield one("Conv", IMAGE, constants={"w": weights})
    yield one("Conv", IMAGE, constants={"w": weights}, pads=[1, 1, 1, 1])
    yield one("Conv", IMAGE, constants={"w": floats(3, 1, 3, 3)}, group=3)
    yield one("Conv", ["n", 3, "t"], constants={"w": floats(2, 3, 3)}, pads=[1, 1])
    yield one("ConvTranspose", IMAGE, constants={"w": floats(3, 2, 3, 3)})
    for pool in ("MaxPool", "AveragePool"):
        yield one(pool, IMAGE, kernel_shape=[2, 2], strides=[2, 2])
        yield one(pool, IMAGE, kernel_shape=[1, 1])
    yield from (one(each, IMAGE) for each in ("GlobalAveragePool", "GlobalMaxPool"))
    yield one("MeanVarianceNormalization", IMAGE)
    yield one("LRN", IMAGE, size=3)
    yield one("InstanceNormalization", IMAGE, constants=scale)
    yield one("GroupNormalization", IMAGE, constants=scale, num_groups=3)
    yield one("BatchNormalization", IMAGE, constants={each: floats(3) for each in "sbmv"})
    yield one("DepthToSpace", ["n", 4, "h", "w"], blocksize=2)
    yield one("SpaceToDepth", ["n", 4, "h", "w"], blocksize=2)
    for mode in ("nearest", "linear"):
        scales = np.array([1, 1, 2, 2], np.float32)
        yield one("Resize", IMAGE, constants={"": floats(0), "scales": scales}, mode=mode)


def places():
    """Operators that take places, shapes and counts."""
    for mode in ("constant", "reflect", "edge"):
        yield one("Pad", constants={"pads": numbers(0, 1, 0, 1)}, mode=mode)
    yield one("Reshape", constants={"shape": numbers(-1, 2)})
    yield one("Reshape", constants={"shape": numbers(0, -1)})
    yield one("Expand", constants={"shape": numbers(1, 1)})
    yield one("Tile", constants={"times": numbers(2, 2)})
    yield one("Slice", constants={"from": numbers(0), "to": numbers(-1)})
    yield looked_up()
    yield one("GatherElements", ["n", 1], constants={"at": numbers(0).reshape(1, 1)})
    yield one("GatherND", constants={"at": numbers(0).reshape(1, 1)})
    yield one("ScatterND", ["n", 3], constants={"at": numbers(0).reshape(1, 1), "u": floats(1, 3)})
    yield one("ScatterElements", ["n", 1], constants={"at": numbers(0).reshape(1, 1), "u": floats(1, 1)})
    yield one("OneHot", kind=INT, constants={"d": np.array(3), "v": floats(2)}, out=FLOAT)
    two = helper.make_node("TopK", ["x", "k"], ["y", "i"])
    yield ["TopK"], model([two], {"x": (FLOAT, ["n", "m"])}, {"k": numbers(1)}, {"y": FLOAT, "i": INT})
    where = helper.make_node("Where", ["c", "x", "x"], ["y"])
    yield ["Where"], model([where], {"c": (BOOL, ["n", 1]), "x": (FLOAT, ROWS)}, {}, {"y": FLOAT})
    shape = helper.make_node("Shape", ["x"], ["s"])
    filled = helper.make_node("ConstantOfShape", ["s"], ["y"])
    yield ["Shape", "ConstantOfShape"], model([shape, filled], {"x": (FLOAT, ROWS)}, {}, {"y": FLOAT})
    steps = [
        shape,
        helper.make_node("Gather", ["s", "zero"], ["k"]),
        helper.make_node("Range", ["zero", "k", "one"], ["y"]),
    ]
    constants = {"zero": np.array(0), "one": np.array(1)}
    yield ["Range"], model(steps, {"x": (FLOAT, ROWS)}, constants, {"y": INT})
    constant = helper.make_node("Constant", [], ["c"], value_float=1.0)
    added = helper.make_node("Add", ["x", "c"], ["y"])
    yield ["Constant"], model([constant, added], {"x": (FLOAT, ROWS)}, {}, {"y": FLOAT})


def looked_up():
    """An embedding: a table and where to look in it."""
    node = helper.make_node("Gather", ["table", "x"], ["y"])
    return ["Gather"], model([node], {"x": (INT, ROWS)}, {"table": floats(4, 2)}, {"y": FLOAT})


def free_pairs():
    """Two matrices whose sizes are all free."""
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    return ["MatMul"], model([node], {"a": (FLOAT, ["n", "k"]), "b": (FLOAT, ["k", "m"])}, {}, {"y": FLOAT})


def together():
    """Operators that onnxruntime makes one of, and a graph in a node."""
    make = helper.make_node
    attention = [
        make("MatMul", ["x", "w"], ["q"]),
        make("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        make("MatMul", ["q", "t"], ["s"]),
        make("Softmax", ["s"], ["p"], axis=-1),
        make("MatMul", ["p", "x"], ["y"]),
    ]
    yield [], model(attention, {"x": (FLOAT, TOKENS)}, {"w": floats(4, 4)}, {"y": FLOAT})
    gelu = [
        make("Div", ["x", "root"], ["a"]),
        make("Erf", ["a"], ["e"]),
        make("Add", ["e", "one"], ["f"]),
        make("Mul", ["x", "f"], ["g"]),
        make("Mul", ["g", "half"], ["y"]),
    ]
    constants = {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)}
    yield [], model(gelu, {"x": (FLOAT, TOKENS)}, constants, {"y": FLOAT})
    convolved = [
        make("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        make("Relu", ["a"], ["r"]),
        make("MaxPool", ["r"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        make("GlobalAveragePool", ["m"], ["g"]),
        make("Flatten", ["g"], ["f"]),
        make("Gemm", ["f", "v", "b"], ["z"]),
        make("Softmax", ["z"], ["y"]),
    ]
    constants = {"w": floats(16, 3, 3, 3), "v": floats(16, 5), "b": floats(5)}
    yield [], model(convolved, {"x": (FLOAT, IMAGE)}, constants, {"y": FLOAT})
    state, item, following, out = (
        helper.make_tensor_value_info(name, FLOAT, [3]) for name in ("state", "item", "next", "out")
    )
    nodes = [make("Add", ["state", "item"], ["next"]), make("Identity", ["next"], ["out"])]
    body = helper.make_graph(nodes, "body", [state, item], [following, out])
    scan = make("Scan", ["zero", "x"], ["last", "y"], body=body, num_scan_inputs=1)
    yield ["Scan"], model([scan], {"x": (FLOAT, ["t", 3])}, {"zero": floats(3)}, {"last": FLOAT, "y": FLOAT})


def run(content):
    """Every combination of sizes with a 0 in it; what the library refuses is refused."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(content, options)
    inputs = session.get_inputs()
    free = sorted({size for each in inputs for size in each.shape if isinstance(size, str)})
    for sizes in itertools.product(SIZES, repeat=len(free)):
        if 0 in sizes:
            chosen = dict(zip(free, sizes, strict=True))
            shapes = {each.name: [chosen.get(size, size) for size in each.shape] for each in inputs}
            given = {each.name: np.zeros(shapes[each.name], NUMPY[each.type]) for each in inputs}
            try:
                session.run(None, given)
            except Exception:  # noqa: BLE001, S112  onnxruntime's errors have no base; an error is an answer
                continue


def main():
    for names, content in itertools.chain(single(), together()):
        sys.stdout.write(" ".join(names) + "\n")
        sys.stdout.flush()
        run(content)


if __name__ == "__main__":
    main()
