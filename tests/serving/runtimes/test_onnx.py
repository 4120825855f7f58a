from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ml_dtypes import bfloat16
from onnx import AttributeProto, TensorProto, helper

from serving.errors import InvalidInputError, ModelLoadError
from serving.runtimes.onnx import DATATYPES, OnnxRuntime
from serving.runtimes.runtime import TensorSpec


@pytest.fixture
def opened(tmp_path):
    def open_model(content):
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        return OnnxRuntime(path)

    return open_model


def test_inputs_and_outputs_are_those_of_the_file(opened, onnx_models):
    runtime = opened(onnx_models.affine())
    assert runtime.inputs == (TensorSpec("x", "FP32", (-1, 3)),)
    assert runtime.outputs == (TensorSpec("y", "FP32", (-1, 3)),)


def test_it_computes_what_the_graph_says(opened, onnx_models):
    runtime = opened(onnx_models.affine())
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    (y,) = runtime.infer({"x": x}, ["y"])
    np.testing.assert_array_equal(y, 2 * x + 1)


def test_only_the_wanted_outputs_come_in_the_wanted_order(opened, onnx_models):
    runtime = opened(onnx_models.add_sub())
    a, b = np.full((1, 16), 5, np.int32), np.full((1, 16), 3, np.int32)
    feed = {"INPUT0": a, "INPUT1": b}
    difference, total = runtime.infer(feed, ["OUTPUT1", "OUTPUT0"])
    assert difference[0, 0] == 2
    assert total[0, 0] == 8
    assert len(runtime.infer(feed, ["OUTPUT1"])) == 1


@pytest.mark.parametrize(
    "kind", [kind for kind in DATATYPES if kind not in {"tensor(bfloat16)", "tensor(string)"}]
)
def test_every_numeric_datatype_goes_through_unchanged(opened, onnx_models, kind):
    dtype = np.dtype({"float": "float32", "double": "float64"}.get(kind[7:-1], kind[7:-1]))
    runtime = opened(onnx_models.identity(helper.np_dtype_to_tensor_dtype(dtype), ["batch", 2]))
    x = np.random.default_rng(0).integers(0, 2, (3, 2)).astype(dtype)
    assert runtime.inputs[0].datatype == DATATYPES[kind]
    (y,) = runtime.infer({"x": x}, ["y"])
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, x)


def test_bfloat16_goes_through_as_bits(opened, onnx_models):
    runtime = opened(onnx_models.identity(TensorProto.BFLOAT16, ["batch", 2]))
    bits = np.array([[1.5, -2.0], [np.inf, 0.0]], bfloat16).view(np.uint16)
    (y,) = runtime.infer({"x": bits}, ["y"])
    assert y.dtype == np.uint16
    np.testing.assert_array_equal(y, bits)


def test_strings_go_through_as_bytes(opened, onnx_models):
    runtime = opened(onnx_models.identity(TensorProto.STRING, ["batch"]))
    text = np.array(["é".encode(), b"", b"two words"], np.object_)
    (y,) = runtime.infer({"x": text}, ["y"])
    assert y.tolist() == text.tolist()


def test_a_string_that_is_not_utf8_is_the_clients_fault(opened, onnx_models):
    runtime = opened(onnx_models.identity(TensorProto.STRING, ["batch"]))
    with pytest.raises(InvalidInputError, match=r"'x'.*UTF-8"):
        runtime.infer({"x": np.array([b"\xff"], np.object_)}, ["y"])


def test_many_threads_get_their_own_answers(opened, onnx_models):
    runtime = opened(onnx_models.affine())

    def ask(number):
        (y,) = runtime.infer({"x": np.full((1, 3), number, np.float32)}, ["y"])
        return y[0, 0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(200))) == [2 * number + 1 for number in range(200)]


def test_a_model_that_loops_is_not_steady_and_others_are(opened, onnx_models):
    counter = opened(onnx_models.counter())
    assert not counter.steady
    assert counter.infer({"n": np.array([3])}, ["y"])[0].tolist() == [3]
    assert opened(onnx_models.affine()).steady


@pytest.mark.parametrize("content", [b"", b"junk", b"\x08\x08"])
def test_a_file_that_is_no_model_is_refused_with_a_reason(opened, content):
    with pytest.raises(ModelLoadError, match="onnxruntime cannot load it"):
        opened(content)


def test_an_operator_of_another_domain_is_refused(opened):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Own", ["x"], ["y"], domain="mine")], "g", [x], [y])
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=8)
    with pytest.raises(ModelLoadError, match="mine"):
        opened(model.SerializeToString())


def test_an_output_that_is_no_tensor_is_refused(opened):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("SequenceConstruct", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    with pytest.raises(ModelLoadError, match=r"'y'.*only tensors"):
        opened(model.SerializeToString())


@pytest.fixture
def with_weights_in(tmp_path):
    """Make a model whose weights lie in another file, as an initializer or as a constant in its graph."""
    folder = tmp_path / "m" / "1"
    (folder / "weights").mkdir(parents=True)
    for path in (tmp_path / "secret.bin", folder / "own.bin", folder / "weights" / "own.bin"):
        path.write_bytes(np.arange(3, dtype=np.float32).tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "out").symlink_to(tmp_path)

    def make(location, *, constant):
        weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location.format(tmp_path))
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy")
        nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
        if constant:
            node = helper.make_node("Constant", [], ["w"])
            node.attribute.add(name="value", type=AttributeProto.TENSOR).t.CopyFrom(weights)
            nodes.insert(0, node)
        graph = helper.make_graph(nodes, "g", [x], [y], [] if constant else [weights])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        return folder / "model.onnx"

    return make


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("location", ["own.bin", "weights/own.bin"])
def test_weights_may_lie_in_the_models_folder(with_weights_in, location, constant):
    (y,) = OnnxRuntime(with_weights_in(location, constant=constant)).infer(
        {"x": np.zeros(3, np.float32)}, ["y"]
    )
    assert y.tolist() == [0, 1, 2]


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(
    "location",
    [
        "../../secret.bin",
        "{}/secret.bin",
        "link.bin",
        "out/secret.bin",
        "weights/../../../secret.bin",
        "*/_ORT_MEM_ADDR_/*",
        "/proc/self/environ",
        "",
    ],
)
def test_weights_that_lie_elsewhere_are_refused(with_weights_in, location, constant):
    with pytest.raises(ModelLoadError, match="onnxruntime cannot load it"):
        OnnxRuntime(with_weights_in(location, constant=constant))


def test_operators_of_other_libraries_are_refused(tmp_path):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Evil", ["x"], ["y"], domain="evil")], "g", [x], [y])
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("evil", 1)]
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=sets, ir_version=8).SerializeToString())
    with pytest.raises(ModelLoadError, match="onnxruntime cannot load it"):
        OnnxRuntime(path)


def test_a_model_that_an_empty_tensor_may_end_says_so(opened, onnx_models):
    """onnxruntime ends the process on these, by SIGABRT, SIGFPE or, of an Add that it quantises, SIGSEGV."""
    tensor = helper.make_tensor_value_info
    x, y = (tensor(name, TensorProto.FLOAT, [f"{name}0", f"{name}1"]) for name in "xy")
    scale, zero = (helper.make_tensor(name, kind, [], [1]) for name, kind in (("s", 1), ("z", 2)))
    quantised = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    for nodes, constants in (
        ([helper.make_node("Unique", ["x"], ["y"], axis=0)], []),
        ([helper.make_node("Einsum", ["x", "x"], ["y"], equation="ij,kj->ik")], []),
        (quantised, [scale, zero]),
    ):
        assert not opened(onnx_models.save(nodes, [x], [y], constants)).takes_empty
    assert opened(onnx_models.affine()).takes_empty
