from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from serving.errors import ModelLoadError
from serving.runtimes.runtime import TensorSpec
from serving.runtimes.tflite import TfliteRuntime

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def affine():
    return TfliteRuntime(DATA / "affine.tflite")


@pytest.fixture
def labels():
    return TfliteRuntime(DATA / "labels.tflite")


def test_names_are_those_of_the_signature_and_sizes_may_be_free(affine):
    assert affine.inputs == (TensorSpec("x", "FP32", (-1, 3)),)
    assert affine.outputs == (TensorSpec("y", "FP32", (-1, 3)),)


def test_every_batch_size_is_answered_in_any_order(affine):
    random = np.random.default_rng(0)
    for rows in (1, 7, 2, 2, 64, 1):
        x = random.standard_normal((rows, 3), np.float32)
        (y,) = affine.infer({"x": x}, ["y"])
        np.testing.assert_array_equal(y, 2 * x + 1)


def test_answers_outlive_the_next_run(affine):
    (first,) = affine.infer({"x": np.ones((1, 3), np.float32)}, ["y"])
    affine.infer({"x": np.zeros((1, 3), np.float32)}, ["y"])
    assert first.tolist() == [[3.0, 3.0, 3.0]]


def test_many_threads_with_different_batch_sizes_get_their_own_answers(affine):
    def ask(number):
        (y,) = affine.infer({"x": np.full((1 + number % 5, 3), number, np.float32)}, ["y"])
        return y.shape[0], float(y.min()), float(y.max())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(300)))
    assert answers == [(1 + number % 5, 2 * number + 1, 2 * number + 1) for number in range(300)]


def test_strings_come_and_go_as_bytes(labels):
    text = np.array([b"b", b"\xff\x00", b""], np.object_)
    same, label = labels.infer({"text": text, "ids": np.array([2, 0, 1], np.int32)}, ["same", "label"])
    assert same.tolist() == [True, False, False]
    assert label.tolist() == [b"c", b"a", b"b"]


def test_a_run_that_fails_leaves_the_interpreter_usable(labels):
    text = np.array([b"b"], np.object_)
    with pytest.raises(RuntimeError, match="out of bounds"):
        labels.infer({"text": text, "ids": np.array([9], np.int32)}, ["label"])
    (label,) = labels.infer({"text": text, "ids": np.array([1], np.int32)}, ["label"])
    assert label.tolist() == [b"b"]


@pytest.mark.parametrize("damage", [lambda _: b"", lambda _: b"junk" * 10, lambda whole: whole[:500]])
def test_a_damaged_file_is_refused_with_a_reason(tmp_path, damage):
    path = tmp_path / "model.tflite"
    path.write_bytes(damage((DATA / "affine.tflite").read_bytes()))
    with pytest.raises(ModelLoadError, match="TFLite interpreter cannot load it"):
        TfliteRuntime(path)


@pytest.mark.parametrize("operator", ["FlexReadFile", "FlexAddV2", "Evil", "TfLiteMyOwn"])
def test_operators_that_are_not_builtin_are_refused_and_no_delegate_is_sought(tmp_path, operator):
    model = schema.ModelT.InitFromPackedBuf(bytearray((DATA / "affine.tflite").read_bytes()), 0)
    for code in model.operatorCodes:
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = operator
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "model.tflite"
    path.write_bytes(builder.Output())
    with pytest.raises(ModelLoadError, match="the TFLite interpreter cannot load it"):
        TfliteRuntime(path)
