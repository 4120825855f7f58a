"""Signatures of a model, and examples for it, over a real port. Models are TFLite and ONNX, which start fast."""

import shutil
import threading
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

INVALID, MISSING, UNDONE = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
)
SIGNATURES = Path(__file__).parents[2] / "data" / "signatures.tflite"
ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture(scope="module")
def server(tmp_path_factory, start_module_server, onnx_models):
    root = tmp_path_factory.mktemp("repository")
    contents = {
        "affine": onnx_models.affine(),
        "scored": onnx_models.examples("scores", "classes"),
        "named": onnx_models.examples("classes"),
        "regressor": onnx_models.examples("outputs"),
        "all": onnx_models.examples("classes", "scores", "outputs"),
    }
    for name in ("lite", *contents):
        (root / name / "1").mkdir(parents=True)
    shutil.copy(SIGNATURES, root / "lite" / "1" / "model.tflite")
    for name, content in contents.items():
        (root / name / "1" / "model.onnx").write_bytes(content)
    return start_module_server(root)


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(server.address) as channel:
        yield PredictionServiceStub(channel)


def predict(stub, name, array, signature="", model="lite", **fields):
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name=model, signature_name=signature), **fields)
    tensor_proto.write(array, "FP32" if array.dtype == np.float32 else "BYTES", request.inputs[name])
    return stub.Predict(request, timeout=PATIENCE)


def example(text):
    """An example that is ASCII on the wire, as ONNX's strings must be."""
    made = core.Example()
    made.features.feature["t"].bytes_list.value.append(text)
    return made


def sent(*texts):
    return pb.Input(example_list=pb.ExampleList(examples=map(example, texts)))


@pytest.mark.parametrize(
    ("signature", "name", "output", "expected"),
    [
        ("", "x", "y", 2 * ROWS + 1),
        ("serving_default", "x", "y", 2 * ROWS + 1),
        ("predict_images", "images", "scores", 3 * ROWS),
    ],
)
def test_each_signature_answers_by_its_own_tensors_and_is_named_in_the_answer(
    stub, signature, name, output, expected
):
    answer = predict(stub, name, ROWS, signature)
    assert list(answer.outputs) == [output]
    assert list(answer.outputs[output].float_val) == expected.ravel().tolist()
    assert answer.model_spec.signature_name == (signature or "serving_default")


def test_a_signature_of_text_answers_beside_those_of_numbers(stub):
    answer = predict(stub, "text", np.array([b"a", b"b", b""], object), "a_text")
    assert list(answer.outputs["same"].bool_val) == [False, True, False]


@pytest.mark.parametrize(
    ("array", "name", "fields", "text"),
    [
        (ROWS, "x", {}, "signature 'predict_images' of model 'lite' has no input 'x'; it has 'images'"),
        (ROWS[:, :2], "images", {}, r"'images' has shape \[-1,3\].*got \[2,2\]"),
        (ROWS, "images", {"output_filter": ["y"]}, "'predict_images' .* has no output 'y'; it has 'scores'"),
    ],
)
def test_errors_are_of_the_signature_that_was_named(stub, array, name, fields, text):
    with pytest.raises(grpc.RpcError, match=text) as raised:
        predict(stub, name, array, "predict_images", **fields)
    assert raised.value.code() is INVALID


def test_a_signature_that_is_not_there_is_refused_with_those_that_are(stub):
    with pytest.raises(grpc.RpcError, match="it has 'serving_default', 'a_text', 'predict_images'") as raised:
        predict(stub, "x", ROWS, "no_such")
    assert raised.value.code() is INVALID
    # A name is what it is, whatever stands around it.
    for name in ("Serving_Default", " serving_default", "serving_default\0", "a" * 10_000):
        with pytest.raises(grpc.RpcError, match="has no signature") as raised:
            predict(stub, "x", ROWS, name)
        assert raised.value.code() is INVALID


def test_signatures_that_are_asked_at_once_do_not_meet(stub):
    """Many requests of every signature, of many sizes: each has the answer to what it asked."""
    wrong = []

    def ask(number):
        random = np.random.default_rng(number)
        for _ in range(40):
            rows = random.standard_normal((int(random.integers(1, 9)), 3), np.float32)
            for signature, name, output, scale, offset in (
                ("", "x", "y", 2, 1),
                ("predict_images", "images", "scores", 3, 0),
            ):
                found = list(predict(stub, name, rows, signature).outputs[output].float_val)
                if found != (np.float32(scale) * rows + np.float32(offset)).ravel().tolist():
                    wrong.append((signature, rows.shape))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_metadata_lists_every_signature(stub):
    request = pb.GetModelMetadataRequest(
        model_spec=pb.ModelSpec(name="lite"), metadata_field=["signature_def"]
    )
    packed = stub.GetModelMetadata(request, timeout=PATIENCE).metadata["signature_def"]
    found = pb.SignatureDefMap.FromString(packed.value).signature_def
    described = {
        name: (signature.method_name, sorted(signature.inputs), sorted(signature.outputs))
        for name, signature in found.items()
    }
    assert described == {
        "serving_default": ("tensorflow/serving/predict", ["x"], ["y"]),
        "predict_images": ("tensorflow/serving/predict", ["images"], ["scores"]),
        "a_text": ("tensorflow/serving/predict", ["text"], ["same"]),
    }
    assert found["a_text"].inputs["text"].dtype == core.DT_STRING


def test_what_is_listed_is_what_is_served(stub):
    request = pb.GetModelMetadataRequest(
        model_spec=pb.ModelSpec(name="lite"), metadata_field=["signature_def"]
    )
    packed = stub.GetModelMetadata(request, timeout=PATIENCE).metadata["signature_def"]
    for signature, described in pb.SignatureDefMap.FromString(packed.value).signature_def.items():
        ((name, info),) = described.inputs.items()
        array = ROWS if info.dtype == core.DT_FLOAT else np.array([b"b"], object)
        assert set(predict(stub, name, array, signature).outputs) == set(described.outputs)


def test_open_inference_clients_see_the_default_signature(server):
    client = triton.InferenceServerClient(server.address)
    metadata = client.get_model_metadata("lite")
    assert [each.name for each in (*metadata.inputs, *metadata.outputs)] == ["x", "y"]
    given = triton.InferInput("x", [2, 3], "FP32").set_data_from_numpy(ROWS)
    assert client.infer("lite", [given]).as_numpy("y").tolist() == (2 * ROWS + 1).tolist()


def test_classes_have_labels_and_scores(stub):
    request = pb.ClassificationRequest(model_spec=pb.ModelSpec(name="scored"), input=sent(b"one", b"two"))
    answer = stub.Classify(request, timeout=PATIENCE)
    assert (answer.model_spec.version.value, answer.model_spec.signature_name) == (1, "serving_default")
    labels = [example(text).SerializeToString().decode() for text in (b"one", b"two")]
    assert [[(each.label, each.score) for each in row.classes] for row in answer.result.classifications] == [
        [(label, 0.25), (label, 0.75)] for label in labels
    ]


def test_classes_may_have_labels_alone(stub):
    request = pb.ClassificationRequest(model_spec=pb.ModelSpec(name="named"), input=sent(b"one"))
    (row,) = stub.Classify(request, timeout=PATIENCE).result.classifications
    assert [each.score for each in row.classes] == [0, 0]


def test_a_context_stands_before_each_example(stub):
    listed = pb.ExampleListWithContext(
        context=example(b"c"), examples=[example(b"one"), core.Example(), example(b"two")]
    )
    request = pb.ClassificationRequest(
        model_spec=pb.ModelSpec(name="named"), input=pb.Input(example_list_with_context=listed)
    )
    rows = stub.Classify(request, timeout=PATIENCE).result.classifications
    found = [core.Example.FromString(row.classes[0].label.encode()) for row in rows]
    values = [list(each.features.feature["t"].bytes_list.value) for each in found]
    assert values == [[b"one"], [b"c"], [b"two"]]


def test_a_regression_is_a_number_for_each_example(stub):
    request = pb.RegressionRequest(model_spec=pb.ModelSpec(name="regressor"), input=sent(b"one", b"two"))
    answer = stub.Regress(request, timeout=PATIENCE)
    assert [each.value for each in answer.result.regressions] == [1.5, 1.5]


ASKED = {
    "Classify": pb.ClassificationRequest,
    "Regress": pb.RegressionRequest,
}


@pytest.mark.parametrize("method", ASKED)
@pytest.mark.parametrize(
    ("spec", "given", "code", "text"),
    [
        ({}, sent(b"a"), INVALID, "model_spec.name is empty; name the model"),
        ({"name": "none", "signature_name": "no_such"}, sent(b"a"), MISSING, "no model 'none' here"),
        ({"name": "scored", "signature_name": "no_such"}, sent(b"a"), INVALID, "no signature 'no_such'"),
        (
            {"name": "affine"},
            sent(b"a"),
            INVALID,
            "'serving_default' of model 'affine' is not for .*; send 'x' with Predict",
        ),
        ({"name": "all"}, sent(b"a"), INVALID, "'serving_default' of model 'all' is not for"),
    ],
)
def test_models_that_take_no_examples_say_so(stub, method, spec, given, code, text):
    request = ASKED[method](model_spec=pb.ModelSpec(**spec), input=given)
    with pytest.raises(grpc.RpcError, match=text) as raised:
        getattr(stub, method)(request, timeout=PATIENCE)
    assert raised.value.code() is code


@pytest.mark.parametrize(
    "given",
    [
        pb.Input(),
        pb.Input(example_list=pb.ExampleList()),
        pb.Input(example_list_with_context=pb.ExampleListWithContext(context=example(b"c"))),
    ],
)
def test_no_examples_are_no_request(stub, given):
    request = pb.ClassificationRequest(model_spec=pb.ModelSpec(name="scored"), input=given)
    with pytest.raises(grpc.RpcError, match="input is empty; send one example at least") as raised:
        stub.Classify(request, timeout=PATIENCE)
    assert raised.value.code() is INVALID


def task(name, method=CLASSIFY, signature=""):
    return pb.InferenceTask(model_spec=pb.ModelSpec(name=name, signature_name=signature), method_name=method)


def multi(stub, *tasks):
    return stub.MultiInference(
        pb.MultiInferenceRequest(tasks=tasks, input=sent(b"one")), timeout=PATIENCE
    ).results


def test_several_tasks_are_answered_in_their_order(stub):
    (result,) = multi(stub, task("regressor", REGRESS))
    assert result.model_spec.signature_name == "serving_default"
    assert [each.value for each in result.regression_result.regressions] == [1.5]
    (result,) = multi(stub, task("scored"))
    assert [each.score for each in result.classification_result.classifications[0].classes] == [0.25, 0.75]


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        ([], INVALID, "without tasks; send one for each signature"),
        ([task("")], INVALID, "model_spec.name is empty"),
        ([task("none")], MISSING, "no model 'none' here"),
        ([task("scored"), task("named")], INVALID, "must name the same model"),
        ([task("scored"), task("scored", signature="serving_default")], INVALID, "name the same signature"),
        ([task("scored", "tensorflow/serving/predict")], UNDONE, "'tensorflow/serving/predict'; set tensorf"),
        ([task("scored", REGRESS)], INVALID, "is not for Regress"),
        ([task("scored"), task("scored", signature="no_such")], INVALID, "no signature 'no_such'"),
    ],
)
def test_tasks_that_cannot_be_done_are_refused(stub, tasks, code, text):
    with pytest.raises(grpc.RpcError, match=text) as raised:
        multi(stub, *tasks)
    assert raised.value.code() is code
