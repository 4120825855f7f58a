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


def written(folder, model):
    """The file of a model that was put together here."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = folder / "model.tflite"
    path.write_bytes(builder.Output())
    return path


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


def test_every_signature_answers_in_any_order_and_the_default_one_is_first():
    model = TfliteRuntime(DATA / "signatures.tflite")
    called = {each.signature: each for each in (model, *model.others)}
    assert list(called) == ["serving_default", "a_text", "predict_images"]
    random = np.random.default_rng(0)
    for rows in (1, 7, 2, 2):
        x = random.standard_normal((rows, 3), np.float32)
        text = np.array([b"a", b"b"] * rows, np.object_)
        (y,) = called["serving_default"].infer({"x": x}, ["y"])
        (same,) = called["a_text"].infer({"text": text}, ["same"])
        (scores,) = called["predict_images"].infer({"images": x}, ["scores"])
        np.testing.assert_array_equal(y, 2 * x + 1)
        np.testing.assert_array_equal(scores, 3 * x)
        assert same.tolist() == [False, True] * rows
        # What came first outlives what came after it.
        np.testing.assert_array_equal(y, 2 * x + 1)


def test_signatures_of_one_model_may_be_called_from_many_threads():
    model = TfliteRuntime(DATA / "signatures.tflite")
    images = next(each for each in model.others if each.signature == "predict_images")

    def ask(number):
        x = np.full((1 + number % 5, 3), number, np.float32)
        if number % 2:
            (y,) = model.infer({"x": x}, ["y"])
            return bool((y == 2 * x + 1).all())
        (scores,) = images.infer({"images": x}, ["scores"])
        return bool((scores == 3 * x).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(300)))


@pytest.mark.parametrize("left", ["a_text", "predict_images", "serving_default"])
def test_a_signature_that_is_the_only_one_is_called_whichever_graph_it_has(tmp_path, left):
    """All graphs stay in the file; the interpreter by itself runs the first of them."""
    model = schema.ModelT.InitFromPackedBuf(bytearray((DATA / "signatures.tflite").read_bytes()), 0)
    model.signatureDefs = [each for each in model.signatureDefs if each.signatureKey.decode() == left]
    runtime = TfliteRuntime(written(tmp_path, model))
    assert (runtime.signature, list(runtime.others)) == (left, [])
    x = np.ones((2, 3), np.float32)
    inputs, expected = {
        "a_text": ({"text": np.array([b"b"], np.object_)}, [True]),
        "predict_images": ({"images": x}, (3 * x).tolist()),
        "serving_default": ({"x": x}, (2 * x + 1).tolist()),
    }[left]
    assert runtime.infer(inputs, [runtime.outputs[0].name])[0].tolist() == expected


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
    with pytest.raises(ModelLoadError, match="the TFLite interpreter cannot load it"):
        TfliteRuntime(written(tmp_path, model))
