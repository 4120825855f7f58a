"""The repository that ``convert`` writes, as Triton and TensorFlow Serving read it: by their own definitions."""

import json
import subprocess
import sys

import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from serving.repository.repository import Repository
from serving.services.open_inference import config_message

pytestmark = pytest.mark.slow

TARGETS = ("onnx", "tflite", "saved_model")


def run_convert(project, *arguments):
    command = [sys.executable, "-m", "converter", str(project / "models" / "digits_cnn.keras"), *arguments]
    return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def root(project, tmp_path_factory):
    """One model with an image, two outputs and a convolution, in every format."""
    folder = tmp_path_factory.mktemp("repository")
    run_convert(project, *(f"--to={target}" for target in TARGETS), "--repository", str(folder))
    return folder


@pytest.fixture(scope="module")
def saved_model(root):
    """The SavedModel as TensorFlow Serving's own definitions read it."""
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415  takes seconds

    file = root / "digits_cnn_saved_model" / "1" / "saved_model.pb"
    return saved_model_pb2.SavedModel.FromString(file.read_bytes())


def test_every_model_has_its_first_version_and_nothing_unknown_lies_beside_it(root):
    files = {path.name: sorted(each.name for each in path.iterdir()) for path in root.iterdir()}
    assert files == {
        "digits_cnn_onnx": ["1", "config.pbtxt"],
        "digits_cnn_tflite": ["1"],
        "digits_cnn_saved_model": ["1"],
    }


def test_triton_reads_of_an_onnx_model_what_onnxruntime_says_it_is(root):
    folder = root / "digits_cnn_onnx"
    text = (folder / "config.pbtxt").read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    element = {model_config_pb2.TYPE_FP32: "tensor(float)"}
    for declared, actual in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        assert [(each.name, element[each.data_type], ["batch", *each.dims]) for each in declared] == [
            (each.name, each.type, each.shape) for each in actual
        ]
    assert config.backend == "onnxruntime"
    assert config.name == ""  # the folder's


def test_tensorflow_serving_finds_a_saved_model_in_each_numbered_folder(root):
    from tensorflow_serving.config import model_server_config_pb2  # noqa: PLC0415  takes seconds

    folder = root / "digits_cnn_saved_model"
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name="digits", base_path=str(folder), model_platform="tensorflow")
    (version,) = folder.iterdir()
    assert version.name.isdecimal()
    assert config.model_config_list.config[0].base_path == str(version.parent)
    assert {"saved_model.pb", "variables", "golden.npz", "manifest.json"} <= {
        path.name for path in version.iterdir()
    }
    assert not (version / "model.savedmodel").exists()


def test_its_signature_has_the_names_types_and_shapes_of_the_onnx_model(root, saved_model):
    from tensorflow.core.framework import types_pb2  # noqa: PLC0415  takes seconds

    (graph,) = saved_model.meta_graphs
    assert "serve" in graph.meta_info_def.tags
    signature = graph.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    session = onnxruntime.InferenceSession(
        root / "digits_cnn_onnx" / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    for tensors, actual in (
        (signature.inputs, session.get_inputs()),
        (signature.outputs, session.get_outputs()),
    ):
        shapes = {
            name: ["batch" if dim.size == -1 else dim.size for dim in info.tensor_shape.dim]
            for name, info in tensors.items()
        }
        assert shapes == {each.name: each.shape for each in actual}
        assert {info.dtype for info in tensors.values()} == {types_pb2.DT_FLOAT}


def test_our_own_server_reproduces_the_golden_answer_with_each(root):
    repository = Repository(root, parse=config_message.parse)
    repository.load_all()
    assert {status.name: status.ready for status in repository.statuses()} == {
        f"digits_cnn_{target}": True for target in TARGETS
    }
    assert all((root / f"digits_cnn_{target}" / "1" / "golden.npz").is_file() for target in TARGETS)


def test_a_model_that_has_not_changed_is_left_alone(project, root):
    before = sorted(path.stat().st_mtime_ns for path in root.rglob("*"))
    arguments = [*(f"--to={target}" for target in TARGETS), "--repository", str(root), "--skip-unchanged"]
    said = json.loads(run_convert(project, *arguments, "--json"))
    assert [model["unchanged"] for model in said["models"]] == [True]
    assert sorted(path.stat().st_mtime_ns for path in root.rglob("*")) == before
