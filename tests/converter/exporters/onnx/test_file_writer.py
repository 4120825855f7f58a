"""The ONNX writer: the bytes that protobuf itself would write, with one large weight in memory at a time."""

import weakref

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from converter.exporters.onnx.file_writer import write_onnx
from converter.exporters.onnx.large_initializers import LargeWeight


def weight(array, mark, read=None):
    return LargeWeight(
        array.shape, helper.np_dtype_to_tensor_dtype(array.dtype), read or (lambda: array), mark
    )


def model(initializers):
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        initializers,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="plainserve")
    helper.set_model_props(made, {"b": "2", "a": "1"})
    return made


def with_stand_ins(arrays, large):
    """The model with and without stand-ins, and the weights by mark."""
    tensors, weights = [], {}
    for number, array in enumerate(arrays):
        if number in large:
            one = weight(array, f"mark {number}")
            weights[one.mark.encode()] = one
            tensors.append(one.placeholder(f"w{number}"))
        else:
            tensors.append(numpy_helper.from_array(array, f"w{number}"))
    whole = model([numpy_helper.from_array(array, f"w{number}") for number, array in enumerate(arrays)])
    return model(tensors), whole, weights


# Sizes around 2^7 and 2^14 bytes, where the length of a length grows.
SIZES = [0, 1, 26, 27, 30, 31, 32, 33, 4080, 4085, 4090, 4096, 70_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_bytes_are_those_of_protobuf_at_every_length(tmp_path, size, dtype):
    arrays = [(np.arange(size) % 1000).astype(dtype), np.ones((2, 3), np.float32)]
    standing, whole, weights = with_stand_ins(arrays, {0})
    write_onnx(standing, weights, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == whole.SerializeToString(deterministic=True)


@given(
    shapes=st.lists(st.lists(st.integers(1, 9), max_size=4), max_size=6),
    choice=st.integers(0, 63),
)
def test_the_bytes_are_those_of_protobuf_wherever_the_large_weights_stand(tmp_path_factory, shapes, choice):
    generator = np.random.default_rng(0)
    arrays = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    large = {number for number in range(len(arrays)) if choice >> number & 1}
    standing, whole, weights = with_stand_ins(arrays, large)
    path = tmp_path_factory.getbasetemp() / "anywhere.onnx"
    write_onnx(standing, weights, path)
    assert path.read_bytes() == whole.SerializeToString(deterministic=True)


def test_onnx_loads_it_with_every_weight_in_its_own_order_of_axes(tmp_path):
    kernel = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    turned = weight(kernel, "turned").transposed((2, 0, 1))
    write_onnx(
        model([turned.placeholder("w")]), {turned.mark.encode(): turned}, path := tmp_path / "model.onnx"
    )
    loaded = onnx.load(path)
    onnx.checker.check_model(loaded, full_check=True)
    (tensor,) = loaded.graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), kernel.transpose(2, 0, 1))


def test_one_weight_is_in_memory_at_a_time_and_read_once(tmp_path):
    alive: list[weakref.ref] = []

    def reading(value):
        def read():
            assert not any(one() is not None for one in alive), "the one before is still there"
            array = np.full(1000, value, np.float32)
            alive.append(weakref.ref(array))
            return array

        return read

    weights = [weight(np.empty(1000, np.float32), f"mark {n}", reading(n)) for n in range(4)]
    standing = model([one.placeholder(f"w{n}") for n, one in enumerate(weights)])
    write_onnx(standing, {one.mark.encode(): one for one in weights}, tmp_path / "model.onnx")
    assert len(alive) == 4
    loaded = onnx.load(tmp_path / "model.onnx").graph.initializer
    assert [numpy_helper.to_array(tensor)[0] for tensor in loaded] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "read", [np.zeros(9, np.float32), np.zeros(10, np.float16)], ids=["shorter", "narrower"]
)
def test_a_weight_that_is_not_as_declared_is_an_error_and_not_a_shifted_file(tmp_path, read):
    wrong = weight(np.zeros(10, np.float32), "wrong", lambda: read)
    with pytest.raises(ValueError, match="40 were declared"):
        write_onnx(model([wrong.placeholder("w")]), {b"wrong": wrong}, tmp_path / "model.onnx")
