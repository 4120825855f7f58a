"""A client that knows nothing but reflection lists every service and calls its methods."""

import base64
import struct

import pytest

pytestmark = pytest.mark.slow

INFERENCE, PREDICTION = "inference.GRPCInferenceService", "tensorflow.serving.PredictionService"
MODELS, HEALTH = "tensorflow.serving.ModelService", "grpc.health.v1.Health"

TYPED = {"name": "x", "datatype": "FP32", "shape": [1, 3], "contents": {"fp32_contents": [1, 2, 3]}}
TENSOR = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": 1}, {"size": 3}]}, "float_val": [1, 2, 3]}
ANSWER = base64.b64encode(struct.pack("<3f", 3, 5, 7)).decode()

CALLS = {
    "live": (INFERENCE, "ServerLive", {}),
    "metadata": (INFERENCE, "ModelMetadata", {"name": "affine"}),
    "infer": (INFERENCE, "ModelInfer", {"model_name": "affine", "inputs": [TYPED]}),
    "predict": (PREDICTION, "Predict", {"model_spec": {"name": "affine"}, "inputs": {"x": TENSOR}}),
    "signature": (
        PREDICTION,
        "GetModelMetadata",
        {"model_spec": {"name": "affine"}, "metadata_field": ["signature_def"]},
    ),
    "classify": (PREDICTION, "Classify", {"model_spec": {"name": "affine"}}),
    "status": (MODELS, "GetModelStatus", {"model_spec": {"name": "affine", "version": "2"}}),
    "health": (HEALTH, "Check", {"service": "affine"}),
}


@pytest.fixture(scope="module")
def done(ask, clients_python, full_server):
    job = {"address": full_server.address, "calls": list(CALLS.values())}
    return ask("reflection_calls.py", job, clients_python)


@pytest.fixture
def answers(done):
    return dict(zip(CALLS, done["answers"], strict=True))


def test_every_service_is_listed_with_its_methods(done):
    services = done["services"]
    assert set(services) == {
        INFERENCE,
        PREDICTION,
        MODELS,
        HEALTH,
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert {"ModelInfer", "ModelStreamInfer", "RepositoryIndex"} <= set(services[INFERENCE])
    assert services[PREDICTION] == ["Classify", "GetModelMetadata", "MultiInference", "Predict", "Regress"]
    assert services[MODELS] == ["GetModelStatus", "HandleReloadConfigRequest"]


def test_a_model_is_described_and_answers_through_both_protocols(answers):
    assert answers["live"] == {"live": True}
    assert answers["metadata"]["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "3"]}]
    assert answers["infer"]["raw_output_contents"] == [ANSWER]
    assert answers["predict"]["outputs"]["y"]["float_val"] == [3.0, 5.0, 7.0]


def test_even_the_message_inside_an_any_is_resolved(answers):
    signatures = answers["signature"]["metadata"]["signature_def"]
    assert signatures["@type"].endswith("tensorflow.serving.SignatureDefMap")
    assert set(signatures["signature_def"]["serving_default"]["inputs"]) == {"x"}


def test_states_are_told(answers):
    assert [each["state"] for each in answers["status"]["model_version_status"]] == ["AVAILABLE"]
    assert answers["health"] == {"status": "SERVING"}


def test_a_refusal_says_why(answers):
    assert answers["classify"]["code"] == "INVALID_ARGUMENT"
    assert "is not for Classify" in answers["classify"]["text"]
