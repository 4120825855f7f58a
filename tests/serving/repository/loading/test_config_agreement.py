import numpy as np
import pytest

from serving.dataplane.decoder import Decoder
from serving.dataplane.messages import InferRequest, InputTensor
from serving.errors import InvalidInputError, ModelLoadError, ModelNotReadyError
from serving.repository.config import (
    ModelConfig,
    TensorConfig,
    WarmupInput,
    WarmupRequest,
)
from serving.repository.loading import config_agreement
from serving.repository.repository import Repository
from serving.runtimes.runtime import TensorSpec

X, Y = TensorConfig("x", "FP32", (3,)), TensorConfig("y", "FP32", (3,))


def loaded(repository, onnx_models, config, model="affine"):
    repository.onnx(model, onnx_models.affine() if model == "affine" else onnx_models.add_sub())
    made = Repository(repository.root, config)
    made.load_all()
    return made.get(model)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(name="affine", platform="onnxruntime_onnx", backend="onnxruntime"),
        ModelConfig(max_batch_size=8, inputs=(X,), outputs=(Y,)),
        ModelConfig(max_batch_size=0, inputs=(TensorConfig("x", "FP32", (-1, 3)),)),
        ModelConfig(max_batch_size=0, inputs=(TensorConfig("x", "FP32", (5, 3)),)),
    ],
)
def test_a_config_that_agrees_is_accepted(repository, onnx_models, config):
    assert loaded(repository, onnx_models, config).config.max_batch_size is not None


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (ModelConfig(name="other"), "named 'other' and lies in the folder 'affine'"),
        (
            ModelConfig(platform="tensorflowlite"),
            "says platform 'tensorflowlite', and the model is 'onnxrunt",
        ),
        (ModelConfig(backend="tensorflow"), "says backend 'tensorflow', and the model needs 'onnxruntime'"),
        (
            ModelConfig(inputs=(TensorConfig("z", "FP32", (3,)),)),
            "declares the input 'z', and the model has x",
        ),
        (ModelConfig(inputs=(TensorConfig("x", "FP64", (3,)),)), "'x' as FP64, and the model has FP32"),
        (
            ModelConfig(inputs=(TensorConfig("x", "FP32", (4,)),)),
            r"dims \[4\], and the model has \[3\] without",
        ),
        (ModelConfig(inputs=(TensorConfig("x", "FP32", (-1,)),)), r"dims \[-1\]"),
        (ModelConfig(inputs=(TensorConfig("x", "FP32", (1, 3)),)), r"dims \[1, 3\]"),
        (
            ModelConfig(max_batch_size=0, inputs=(TensorConfig("x", "FP32", (0, 3)),)),
            r"dims \[0, 3\], and the model has \[-1, 3\]",
        ),
        (ModelConfig(max_batch_size=0, inputs=(TensorConfig("x", "FP32", (-7, 3)),)), r"dims \[-7, 3\]"),
        (ModelConfig(filename="model.tflite"), "calls the model's file 'model.tflite', which is not there"),
        (ModelConfig(max_batch_size=0, inputs=(X,)), r"dims \[3\], and the model has \[-1, 3\]"),
        (ModelConfig(outputs=(TensorConfig("z", "FP32", (3,)),)), "declares the output 'z'"),
        (
            ModelConfig(outputs=(TensorConfig("y", "FP32", (3,), "none.txt"),)),
            "'none.txt', which is not there",
        ),
        (
            ModelConfig(outputs=(TensorConfig("y", "FP32", (3,), "../../secret"),)),
            "not in the model's folder",
        ),
    ],
)
def test_a_config_that_contradicts_the_model_is_refused_with_the_place(
    repository, onnx_models, config, reason
):
    (repository.root.parent / "secret").write_text("secret")
    with pytest.raises(ModelNotReadyError, match=reason):
        loaded(repository, onnx_models, config)


def test_a_batch_that_the_model_does_not_have_is_refused(repository, onnx_models):
    with pytest.raises(
        ModelNotReadyError, match="max_batch_size 4, and the model's first dimension is not free"
    ):
        loaded(repository, onnx_models, ModelConfig(max_batch_size=4), "simple")


def test_inputs_must_be_declared_all_or_none(repository, onnx_models):
    one = ModelConfig(inputs=(TensorConfig("INPUT0", "INT32", (1, 16)),))
    with pytest.raises(ModelNotReadyError, match="lacks the input INPUT1"):
        loaded(repository, onnx_models, one, "simple")


def test_a_declared_size_is_what_requests_must_have(repository, onnx_models):
    model = loaded(
        repository, onnx_models, ModelConfig(max_batch_size=0, inputs=(TensorConfig("x", "FP32", (5, 3)),))
    )
    assert model.inputs[0].shape == (5, 3)
    decoder = Decoder(model)

    def ask(rows):
        data = np.zeros((rows, 3), np.float32).tobytes()
        return decoder.decode(InferRequest("affine", "", [InputTensor("x", "FP32", (rows, 3))], [data]))

    assert ask(5).inputs["x"].shape == (5, 3)
    with pytest.raises(InvalidInputError, match=r"shape \[5,3\].*got \[4,3\]"):
        ask(4)


def test_labels_are_read_with_the_model(repository, onnx_models):
    folder = repository.root / "affine"
    folder.mkdir()
    # Some editors write a mark before a text; it is no part of the first name.
    (folder / "labels.txt").write_text("cat\ndog\n", encoding="utf-8-sig")
    config = ModelConfig(outputs=(TensorConfig("y", "FP32", (3,), "labels.txt"),))
    assert loaded(repository, onnx_models, config).labels == {"y": ("cat", "dog")}


def warmup(**inputs):
    return ModelConfig(warmup=(WarmupRequest("first", 2, inputs),))


def test_warm_up_requests_are_answered_before_a_model_is_ready(repository, onnx_models):
    loaded(repository, onnx_models, warmup(x=WarmupInput("FP32", (3,), random=True)))


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({}, "'first' must have the inputs x"),
        ({"x": WarmupInput("FP64", (3,))}, "'x' as FP64, and the model takes FP32"),
        ({"x": WarmupInput("FP32", (4,))}, "fails on its warm-up request 'first'"),
    ],
)
def test_a_model_that_fails_its_warm_up_is_not_ready(repository, onnx_models, inputs, reason):
    with pytest.raises(ModelNotReadyError, match=reason):
        loaded(repository, onnx_models, warmup(**inputs))


@pytest.mark.parametrize("size", [None, 4, 0])
def test_what_a_config_declares_of_tensors_is_of_the_default_signature(repository, size):
    repository.tflite("m", "signatures.tflite")
    dims = (1, 3) if size == 0 else (3,)
    warmup = (WarmupRequest("w", 1, {"x": WarmupInput("FP32", dims)}),)
    made = Repository(
        repository.root,
        ModelConfig(max_batch_size=size, inputs=(TensorConfig("x", "FP32", dims),), warmup=warmup),
    )
    made.load_all()
    model = made.get("m")
    assert list(model.signatures) == ["serving_default", "a_text", "predict_images"]
    assert [each.max_batch_size for each in model.signatures.values()] == [64 if size is None else size] * 3
    assert [each.inputs[0].shape for each in model.signatures.values()] == [
        (1, 3) if size == 0 else (-1, 3),
        (-1,),
        (-1, 3),
    ]
    assert all(each.statistics is model.statistics for each in model.signatures.values())


def test_a_signature_without_a_batch_has_none_whatever_the_others_have(function_model):
    batched = function_model(lambda x: {"y": x})
    fixed = function_model(lambda x: {"y": x}, shape=(1, 2))
    assert batched.config.of_other(fixed.runtime).max_batch_size == 0
    assert ModelConfig().of_other(fixed.runtime).max_batch_size == 0
    assert ModelConfig().of_other(batched.runtime).max_batch_size == 64


def test_the_owner_may_declare_the_sizes_of_a_tensor_of_any_rank(function_model):
    runtime = function_model(lambda x: {"y": x}).runtime
    runtime.inputs = (TensorSpec("x", "FP32", (), any_rank=True),)
    config = ModelConfig(max_batch_size=0, inputs=(TensorConfig("x", "FP32", (-1, 784)),))
    config_agreement.check(config, "m", runtime)
    assert config_agreement.narrowed(runtime.inputs, config.inputs, 0) == (
        TensorSpec("x", "FP32", (-1, 784)),
    )
    with pytest.raises(ModelLoadError, match="as FP64, and the model has FP32"):
        config_agreement.check(
            ModelConfig(max_batch_size=0, inputs=(TensorConfig("x", "FP64", (2,)),)), "m", runtime
        )
