"""What a config may decide about a runtime, by the names and numbers of Triton's backends."""

from pathlib import Path

import onnxruntime
import pytest

from serving.errors import ModelLoadError
from serving.runtimes.onnx import OnnxRuntime
from serving.runtimes.onnx_options import session_options
from serving.runtimes.saved_model import SavedModelRuntime
from serving.runtimes.settings import Settings
from serving.runtimes.tflite import TfliteRuntime

AFFINE = Path(__file__).parents[1] / "data" / "affine.tflite"

LEVEL, MODE = onnxruntime.GraphOptimizationLevel, onnxruntime.ExecutionMode


@pytest.fixture
def model(tmp_path, onnx_models):
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_models.affine())
    return path


@pytest.mark.parametrize(
    ("parameters", "option", "value"),
    [
        ({}, "intra_op_num_threads", 1),
        ({"intra_op_thread_count": "3"}, "intra_op_num_threads", 3),
        ({"intra_op_thread_count": "0"}, "intra_op_num_threads", 1),
        ({"inter_op_thread_count": "4"}, "inter_op_num_threads", 4),
        ({"execution_mode": "1"}, "execution_mode", MODE.ORT_PARALLEL),
        ({"execution_mode": "0"}, "execution_mode", MODE.ORT_SEQUENTIAL),
        ({"enable_mem_arena": "0"}, "enable_cpu_mem_arena", False),
        ({"enable_mem_arena": "1"}, "enable_cpu_mem_arena", True),
        ({"enable_mem_pattern": "false"}, "enable_mem_pattern", False),
        ({"of my own": "x"}, "enable_mem_pattern", True),
    ],
)
def test_parameters_become_options_of_the_session(model, parameters, option, value):
    assert getattr(session_options(model, Settings(parameters)), option) == value
    OnnxRuntime(model, Settings(parameters))


@pytest.mark.parametrize(
    ("level", "value"),
    [
        (0, LEVEL.ORT_ENABLE_ALL),
        (1, LEVEL.ORT_ENABLE_EXTENDED),
        (-1, LEVEL.ORT_ENABLE_BASIC),
        (2, LEVEL.ORT_DISABLE_ALL),
    ],
)
def test_graph_levels_are_tritons(model, level, value):
    assert session_options(model, Settings(graph_level=level)).graph_optimization_level == value


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Settings({"intra_op_thread_count": "-1"}), "intra_op_thread_count '-1'; say a number from 0 to 256"),
        (Settings({"intra_op_thread_count": "257"}), "say a number from 0 to 256"),
        (Settings({"intra_op_thread_count": "9" * 5000}), f"'{'9' * 40}'; say a number"),
        (Settings({"inter_op_thread_count": "many"}), "inter_op_thread_count 'many'"),
        (Settings({"execution_mode": "2"}), "execution_mode '2'; say a number from 0 to 1"),
        (Settings({"enable_mem_arena": "perhaps"}), "enable_mem_arena 'perhaps'; say 1 or 0"),
        (
            Settings({"memory.enable_memory_arena_shrinkage": "cpu:0"}),
            "'memory.enable_memory_arena_shrinkage'",
        ),
        (
            Settings({"tflite_num_threads": "1"}),
            "'tflite_num_threads', which this server does not do for this",
        ),
        (Settings(graph_level=3), "optimization.graph.level 3; say -1, 0, 1 or 2"),
    ],
)
def test_what_there_is_not_is_refused(model, settings, reason):
    with pytest.raises(ModelLoadError, match=reason):
        OnnxRuntime(model, settings)


def test_tflite_has_threads_and_no_levels():
    TfliteRuntime(AFFINE, Settings({"tflite_num_threads": "2"}))
    with pytest.raises(ModelLoadError, match="tflite_num_threads 'x'"):
        TfliteRuntime(AFFINE, Settings({"tflite_num_threads": "x"}))
    with pytest.raises(ModelLoadError, match="sets the parameter 'intra_op_thread_count'"):
        TfliteRuntime(AFFINE, Settings({"intra_op_thread_count": "1"}))
    with pytest.raises(ModelLoadError, match="which only ONNX models have"):
        TfliteRuntime(AFFINE, Settings(graph_level=1))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Settings({"TF_NUM_INTRA_THREADS": "2"}), "sets the parameter 'TF_NUM_INTRA_THREADS'"),
        (Settings(graph_level=1), "which only ONNX models have"),
    ],
)
def test_a_saved_model_has_neither(tmp_path, settings, reason):
    with pytest.raises(ModelLoadError, match=reason):
        SavedModelRuntime(tmp_path, settings)
