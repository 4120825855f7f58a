"""Small ONNX models, x: FP32 [-1, width] -> y: their rows are independent, or depend on each other in some way."""

import numpy as np
import onnx
from onnx import TensorProto, helper

RARE = 12345.0
"""A number that no trial asks by chance."""


def saved(width, nodes, constants, out=None):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", width])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", out or width])
    named = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "test", [x], [y], named)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def matrix(random, *shape):
    return (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)


def row_wise(random, width, depth=2):
    """Dense layers with softsign between them, as the converter exports them."""
    nodes, constants, last = [], {}, "x"
    for layer in range(depth):
        constants[f"w{layer}"] = matrix(random, width, width)
        constants[f"b{layer}"] = random.standard_normal(width).astype(np.float32)
        nodes += [
            helper.make_node("MatMul", [last, f"w{layer}"], [f"m{layer}"]),
            helper.make_node("Add", [f"m{layer}", f"b{layer}"], [f"a{layer}"]),
            helper.make_node("Softsign", [f"a{layer}"], [last := "y" if layer == depth - 1 else f"s{layer}"]),
        ]
    return saved(width, nodes, constants)


def softmax_of_large(random, width):
    """A product and a softmax over it: as different as rounding makes it."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Softmax", ["m"], ["y"], axis=-1),
    ]
    return saved(width, nodes, {"w": matrix(random, width, width)})


def mean_over_batch(random, width):
    """Each row less the mean of all."""
    mean = helper.make_node("ReduceMean", ["p"], ["mean"], axes=[0], keepdims=1)
    nodes = [helper.make_node("Mul", ["x", "k"], ["p"]), mean, helper.make_node("Sub", ["p", "mean"], ["y"])]
    return saved(width, nodes, {"k": random.uniform(0.5, 2.0, width).astype(np.float32)})


def cumulated(_random, width):
    """Each row and those before it."""
    return saved(width, [helper.make_node("CumSum", ["x", "axis"], ["y"])], {"axis": np.array(0, np.int64)})


def listwise(_random, width):
    """A softmax over the rows."""
    return saved(width, [helper.make_node("Softmax", ["x"], ["y"], axis=0)], {})


def dynamically_quantised(random, width):
    """One scale for all numbers of all rows."""
    weights = random.integers(-100, 100, (width, width)).astype(np.int8)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("MatMulInteger", ["q", "w", "zero"], ["i"]),
        helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "scale"], ["y"]),
    ]
    return saved(width, nodes, {"w": weights})


def normalised_in_training(random, width):
    """Batch normalisation by the batch's own mean and variance."""
    names = ["scale", "bias", "mean", "var"]
    node = helper.make_node("BatchNormalization", ["x", *names], ["y", "m", "v"], training_mode=1)
    return saved(width, [node], {name: random.uniform(0.5, 2.0, width).astype(np.float32) for name in names})


def divided_by_rows(_random, width):
    """Each row divided by how many there are: it does not matter which."""
    nodes = [
        helper.make_node("Shape", ["x"], ["sizes"], start=0, end=1),
        helper.make_node("Cast", ["sizes"], ["rows"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["x", "rows"], ["y"]),
    ]
    return saved(width, nodes, {})


def rarely_coupled(_random, width):
    """One more for every row if some number in the batch is a certain one."""
    nodes = [
        helper.make_node("Equal", ["x", "rare"], ["is"]),
        helper.make_node("Cast", ["is"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["ones"], ["any"], keepdims=0),
        helper.make_node("Add", ["x", "any"], ["y"]),
    ]
    return saved(width, nodes, {"rare": np.array(RARE, np.float32)})


INDEPENDENT = (row_wise, softmax_of_large)
COUPLED = (
    mean_over_batch,
    cumulated,
    listwise,
    dynamically_quantised,
    normalised_in_training,
    divided_by_rows,
)
"""Those that a trial finds; ``rarely_coupled`` is one that it cannot."""
