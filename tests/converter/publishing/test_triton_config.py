"""``config.pbtxt`` as Triton's own protobuf definitions read it."""

from functools import partial

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from converter.publishing.triton_config import _TYPES, is_ours
from converter.publishing.triton_config import config as written
from converter.signature import TensorSpec

config = partial(written, joins=True)


def parsed(text):
    return text_format.Parse(text, pb.ModelConfig())


def spec(name="x", shape=(None, 4), dtype="float32"):
    return TensorSpec(name, shape, dtype)


def test_a_model_that_takes_any_batch_is_batched_and_its_dims_leave_the_batch_out():
    made = parsed(config("onnx", [spec(shape=(None, 8, None, 1))], [spec("y", (None, 10))]))
    assert made.backend == "onnxruntime"
    assert made.max_batch_size == 64
    assert made.HasField("dynamic_batching")
    assert [(each.name, each.data_type, [*each.dims]) for each in made.input] == [
        ("x", pb.TYPE_FP32, [8, -1, 1])
    ]
    assert [(each.name, each.data_type, [*each.dims]) for each in made.output] == [("y", pb.TYPE_FP32, [10])]


def test_a_model_whose_rows_are_not_proved_independent_takes_any_batch_and_is_not_batched():
    made = parsed(config("onnx", [spec()], [spec("y")], joins=False))
    assert made.max_batch_size == 64
    assert not made.HasField("dynamic_batching")


@pytest.mark.parametrize("outputs", [[spec("y", (3, 10))], [spec("y"), spec("z", (3, 1))]])
def test_a_model_with_a_fixed_batch_anywhere_is_not_batched_and_its_dims_are_whole(outputs):
    made = parsed(config("onnx", [spec()], outputs))
    assert made.max_batch_size == 0
    assert not made.HasField("dynamic_batching")
    assert [*made.input[0].dims] == [-1, 4]
    assert [*made.output[-1].dims] == [*(-1 if size is None else size for size in outputs[-1].shape)]


@pytest.mark.parametrize("dtype", _TYPES)
def test_every_dtype_has_a_type_that_triton_knows(dtype):
    made = parsed(config("onnx", [spec(dtype=dtype)], [spec("y")]))
    assert made.input[0].data_type != pb.TYPE_INVALID


@pytest.mark.parametrize("name", ['say "x"', "back\\slash", "größe", "a b", "a/b:0"])
def test_any_name_comes_through(name):
    assert parsed(config("onnx", [spec(name)], [spec("y")])).input[0].name == name


@pytest.mark.parametrize("target", ["tflite", "saved_model"])
def test_what_triton_has_no_backend_for_has_no_config(target):
    assert config(target, [spec()], [spec("y")]) is None


@pytest.mark.parametrize("shape", [(None,), ()])
def test_a_tensor_with_no_axis_beside_the_batch_is_left_to_triton(shape):
    assert config("onnx", [spec()], [spec("y", shape)]) is None


def test_a_fixed_batch_may_be_the_only_axis():
    assert [*parsed(config("onnx", [spec(shape=(3,))], [spec("y")])).input[0].dims] == [3]


def test_a_config_is_ours_until_somebody_changes_it():
    text = config("onnx", [spec()], [spec("y")])
    assert is_ours(text)
    for changed in (text.replace("64", "32"), f"{text}parameters {{}}\n", text.partition("\n")[2], "", "\n"):
        assert not is_ours(changed)
