"""SavedModels with several signatures, as TensorFlow Serving's clients call them; its own examples among them.

One process exports, one serves, one is the examples' clients: TensorFlow takes seconds to start.
"""

import os
import subprocess
import sys
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from patience import PATIENCE

from protos import tensorflow_core_pb2 as core
from protos import tensorflow_serving_pb2 as pb
from protos.tensorflow_serving_pb2_grpc import PredictionServiceStub
from serving.services.tensorflow_serving import tensor_proto

pytestmark = pytest.mark.slow

EXPORT = Path(__file__).with_name("export_tensorflow_models.py")
INVALID = grpc.StatusCode.INVALID_ARGUMENT
BOTH = pytest.mark.parametrize("model", ["half_plus_two", "half_plus_two_2"])


@pytest.fixture(scope="module")
def server(tmp_path_factory, start_module_server):
    root = tmp_path_factory.mktemp("exported")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run(
        [sys.executable, EXPORT, root], check=True, timeout=PATIENCE, env=environment, capture_output=True
    )
    return start_module_server(root)


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(server.address) as channel:
        yield PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def done(ask, server):
    """What the examples' clients got."""
    return ask("tensorflow_examples.py", {"address": server.address})


def predict(stub, model, name, array, signature="", **fields):
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name=model, signature_name=signature), **fields)
    tensor_proto.write(array, "FP32" if array.dtype == np.float32 else "BYTES", request.inputs[name])
    return stub.Predict(request, timeout=PATIENCE)


def example(**features):
    made = core.Example()
    for name, values in features.items():
        made.features.feature[name].float_list.value.extend(values)
    return made


def refused(call, *arguments, **fields):
    with pytest.raises(grpc.RpcError) as raised:
        call(*arguments, **fields)
    return raised.value.code(), raised.value.details()


def test_the_mnist_client_finds_every_label(done):
    assert done["mnist"] == 0


def test_the_default_signature_of_the_mnist_model_classifies(done):
    (classes,) = done["mnist_classes"]["classes"]
    assert classes[0][0] == "7"
    assert len(classes) == 10
    assert [score for _, score in classes] == sorted((score for _, score in classes), reverse=True)
    assert done["mnist_classes"]["signature"] == "serving_default"


def test_the_resnet_client_is_answered(done):
    assert done["resnet"] == 1


@BOTH
def test_half_plus_two_is_asked_in_every_way(done, model):
    def spec(signature):
        return {"model": model, "version": 1, "signature": signature}

    answers = done[model]
    assert answers["predict"] == spec("serving_default") | {"y": [3.0]}
    assert answers["classify"] == spec("classify_x_to_y") | {"classes": [[["", 3.0]]]}
    assert answers["regress"] == spec("regress_x_to_y") | {"values": [3.0]}
    assert answers["multi_inference"] == {
        "value": 3.0,
        "score": 3.0,
        "specs": [spec("regress_x_to_y"), spec("classify_x_to_y")],
    }


def test_metadata_has_the_methods_that_the_models_state(done):
    assert done["half_plus_two"]["metadata"] == {
        "serving_default": "tensorflow/serving/predict",
        "classify_x_to_y": "tensorflow/serving/classify",
        "regress_x_to_y": "tensorflow/serving/regress",
        "regress_x_to_y2": "tensorflow/serving/regress",
        "regress_x2_to_y3": "tensorflow/serving/regress",
    }
    # The operation that initialises a model is no signature.
    assert done["half_plus_two_2"]["metadata"] == dict.fromkeys(
        ("serving_default", "classify_x_to_y", "regress_x_to_y"), "tensorflow/serving/predict"
    )


def test_metadata_names_the_tensors_of_the_graph(stub):
    request = pb.GetModelMetadataRequest(
        model_spec=pb.ModelSpec(name="mnist"), metadata_field=["signature_def"]
    )
    response = stub.GetModelMetadata(request, timeout=PATIENCE)
    found = pb.SignatureDefMap.FromString(response.metadata["signature_def"].value).signature_def
    sides = {
        (name, tensor): (
            info.name,
            info.dtype,
            "any" if info.tensor_shape.unknown_rank else [dim.size for dim in info.tensor_shape.dim],
        )
        for name, signature in found.items()
        for side in (signature.inputs, signature.outputs)
        for tensor, info in side.items()
    }
    assert sides == {
        ("predict_images", "images"): ("x:0", core.DT_FLOAT, "any"),
        ("predict_images", "scores"): ("y:0", core.DT_FLOAT, "any"),
        ("serving_default", "inputs"): ("tf_example:0", core.DT_STRING, "any"),
        ("serving_default", "classes"): ("hash_table_Lookup/LookupTableFindV2:0", core.DT_STRING, "any"),
        ("serving_default", "scores"): ("TopKV2:0", core.DT_FLOAT, "any"),
    }


def test_any_signature_can_be_predicted_with(stub):
    examples = np.array([example(x=[value]).SerializeToString() for value in (2.0, 4.0)] + [None], object)[
        :-1
    ]
    answer = predict(stub, "half_plus_two", "inputs", examples, "regress_x_to_y2")
    assert list(answer.outputs["outputs"].float_val) == [4.0, 5.0]
    answer = predict(stub, "half_plus_two", "inputs", np.float32([[6.0]]), "regress_x2_to_y3")
    assert list(answer.outputs["outputs"].float_val) == [6.0]


def test_the_features_of_a_context_are_those_of_every_example(stub):
    request = pb.RegressionRequest(
        model_spec=pb.ModelSpec(name="half_plus_two", signature_name="regress_x_to_y")
    )
    listed = request.input.example_list_with_context
    listed.context.CopyFrom(example(x=[2.0]))
    listed.examples.extend([example(x2=[1.0]), example(x=[4.0])])
    answer = stub.Regress(request, timeout=PATIENCE)
    assert [each.value for each in answer.result.regressions] == [3.0, 4.0]


@pytest.mark.parametrize(
    ("model", "signature", "expected"),
    [
        (
            "half_plus_two",
            "no_such",
            "has no signature 'no_such'; it has 'serving_default', 'classify_x_to_y'",
        ),
        ("no_default", "", "'no_default' has no signature 'serving_default'; it has 'one', 'two'"),
        ("single", "serving_default", "'single' has no signature 'serving_default'; it has 'only'"),
        ("odd", "complex", "'odd' has no signature 'complex'; it has 'serving_default'"),
    ],
)
def test_a_signature_that_is_not_there_is_refused_with_those_that_are(stub, model, signature, expected):
    code, text = refused(predict, stub, model, "x", np.float32([[2.0]]), signature)
    assert code is INVALID
    assert expected in text


def test_without_serving_default_a_signature_is_named_or_is_the_only_one(stub):
    answer = predict(stub, "no_default", "x", np.float32([[2.0]]), "one")
    assert (list(answer.outputs["y"].float_val), answer.model_spec.signature_name) == ([3.0], "one")
    answer = predict(stub, "single", "x", np.float32([[2.0]]))
    assert (list(answer.outputs["y"].float_val), answer.model_spec.signature_name) == ([3.0], "only")


def test_a_counter_is_changed_by_those_who_call_it_and_by_nobody_else(stub):
    """TensorFlow 2 cannot load it; and loading it must not count."""

    def call(signature, **inputs):
        request = pb.PredictRequest(model_spec=pb.ModelSpec(name="counter", signature_name=signature))
        for name, value in inputs.items():
            tensor_proto.write(np.array(value, np.float32), "FP32", request.inputs[name])
        output = stub.Predict(request, timeout=PATIENCE).outputs["output"]
        assert not output.tensor_shape.dim
        return list(output.float_val)

    assert call("get_counter") == [0]
    assert call("incr_counter") == [1]
    assert call("incr_counter_by", delta=2.5) == [3.5]
    assert call("get_counter") == [3.5]
    assert call("reset_counter") == [0]


def test_of_several_graphs_the_one_for_serving_is_served(stub):
    answer = predict(stub, "two_graphs", "x", np.float32([[2.0]]))
    assert list(answer.outputs["y"].float_val) == [3.0]


def test_open_inference_clients_get_the_default_signature(server):
    client = triton.InferenceServerClient(server.address)
    assert [each.name for each in client.get_model_metadata("half_plus_two").inputs] == ["x"]
    assert [each.name for each in client.get_model_metadata("no_default").inputs] == ["x"]
    given = triton.InferInput("x", [1, 1], "FP32").set_data_from_numpy(np.float32([[2.0]]))
    assert client.infer("no_default", [given]).as_numpy("y").tolist() == [[3.0]]


@pytest.mark.parametrize(
    ("method", "signature", "expected"),
    [
        ("Classify", "regress_x_to_y", "'regress_x_to_y' of model 'half_plus_two' is not for Classify"),
        ("Regress", "classify_x_to_y", "'classify_x_to_y' of model 'half_plus_two' is not for Regress"),
        (
            "Classify",
            "",
            "'serving_default' of model 'half_plus_two' is not for Classify.* send 'x' with Predict",
        ),
        ("Regress", "regress_x2_to_y3", "'regress_x2_to_y3' of model 'half_plus_two' is not for Regress"),
        ("Regress", "no_such", "has no signature 'no_such'"),
    ],
)
def test_a_signature_of_another_kind_is_refused(stub, method, signature, expected):
    request = {"Classify": pb.ClassificationRequest, "Regress": pb.RegressionRequest}[method]()
    request.model_spec.name, request.model_spec.signature_name = "half_plus_two", signature
    request.input.example_list.examples.append(example(x=[2.0]))
    with pytest.raises(grpc.RpcError, match=expected) as raised:
        getattr(stub, method)(request, timeout=PATIENCE)
    assert raised.value.code() is INVALID


def test_an_example_without_the_feature_is_the_fault_of_who_sent_it(stub):
    request = pb.RegressionRequest(
        model_spec=pb.ModelSpec(name="half_plus_two", signature_name="regress_x_to_y")
    )
    request.input.example_list.examples.append(example(other=[2.0]))
    code, text = refused(stub.Regress, request, timeout=PATIENCE)
    assert code is INVALID
    assert "Feature: x (data type: float) is required but could not be found" in text
    assert "node" not in text
    assert ".py" not in text


def test_a_shape_that_no_signature_states_is_the_graphs_to_refuse(stub):
    code, text = refused(predict, stub, "mnist", "images", np.zeros((2, 3), np.float32), "predict_images")
    assert code is INVALID
    assert "the model cannot take this: Matrix size-incompatible: In[0]: [2,3], In[1]: [784,10]" in text


def test_what_signatures_answer_counts_for_their_model(server, stub):
    client = triton.InferenceServerClient(server.address)

    def counted():
        (found,) = client.get_inference_statistics("half_plus_two_2").model_stats
        return found.inference_count

    before = counted()
    for signature in ("", "serving_default"):
        predict(stub, "half_plus_two_2", "x", np.float32([[2.0]] * 3), signature)
    request = pb.RegressionRequest(
        model_spec=pb.ModelSpec(name="half_plus_two_2", signature_name="regress_x_to_y")
    )
    request.input.example_list.examples.append(example(x=[2.0]))
    stub.Regress(request, timeout=PATIENCE)
    assert counted() - before == 3 + 3 + 1
