"""TensorFlow Serving's protocol over a real port, through our own stubs."""

import grpc
import numpy as np
import pytest
from patience import PATIENCE

from protos import tensorflow_core_pb2 as core
from protos import tensorflow_error_pb2 as error
from protos import tensorflow_serving_pb2 as pb
from protos.tensorflow_serving_pb2_grpc import ModelServiceStub, PredictionServiceStub
from serving.services.tensorflow_serving import tensor_proto

LISTS = {np.float32: "float_val", np.int32: "int_val", np.bool_: "bool_val", np.float16: "half_val"}
INVALID, MISSING, UNDONE = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
)
ONES = np.ones((2, 3), np.float32)


@pytest.fixture(scope="module")
def channel(full_server):
    with grpc.insecure_channel(full_server.address) as made:
        yield made


@pytest.fixture
def predict(channel):
    """Call Predict with arrays; gives the answer."""
    stub = PredictionServiceStub(channel)

    def call(name, inputs, datatypes=None, **spec):
        request = pb.PredictRequest(model_spec=pb.ModelSpec(name=name, **spec))
        for key, array in inputs.items():
            tensor_proto.write(array, (datatypes or {}).get(key, "FP32"), request.inputs[key])
        return stub.Predict(request, timeout=PATIENCE)

    return call


@pytest.fixture
def models(channel):
    return ModelServiceStub(channel)


def number(version):
    return {"version": {"value": version}}


def array_of(tensor, dtype=np.float32):
    """What a client reads from the list of the type, which is where TensorFlow Serving puts it."""
    listed = np.array(getattr(tensor, LISTS[dtype]), np.uint16 if dtype is np.float16 else dtype)
    assert not tensor.tensor_content
    return listed.view(dtype).reshape([dim.size for dim in tensor.tensor_shape.dim])


@pytest.mark.parametrize("name", ["affine", "affine_lite"])
@pytest.mark.parametrize("rows", [1, 7, 32])
def test_each_runtime_answers_any_batch(predict, name, rows):
    x = np.random.default_rng(rows).standard_normal((rows, 3), np.float32)
    response = predict(name, {"x": x})
    np.testing.assert_array_equal(array_of(response.outputs["y"]), 2 * x + 1)
    assert response.outputs["y"].dtype == core.DT_FLOAT
    assert (response.model_spec.name, response.model_spec.signature_name) == (name, "serving_default")


def test_a_request_may_name_the_version_and_learns_which_answered(predict):
    first, newest = predict("affine", {"x": ONES}, **number(1)), predict("affine", {"x": ONES})
    assert array_of(first.outputs["y"])[0, 0] == 2
    assert array_of(newest.outputs["y"])[0, 0] == 3
    assert (first.model_spec.version.value, newest.model_spec.version.value) == (1, 2)


def test_one_value_stands_for_a_whole_tensor(channel):
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="affine"))
    request.inputs["x"].CopyFrom(core.TensorProto(dtype=core.DT_FLOAT, float_val=[4]))
    tensor_proto.write_shape((2, 3), request.inputs["x"].tensor_shape)
    response = PredictionServiceStub(channel).Predict(request, timeout=PATIENCE)
    assert array_of(response.outputs["y"]).tolist() == [[9] * 3] * 2


def test_lists_and_contents_may_come_in_one_request(channel):
    a, b = np.arange(16, dtype=np.int32).reshape(1, 16), np.full((1, 16), 5, np.int32)
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="simple"), output_filter=["OUTPUT1"])
    tensor_proto.write(b, "INT32", request.inputs["INPUT1"])
    request.inputs["INPUT0"].CopyFrom(core.TensorProto(dtype=core.DT_INT32, int_val=a.ravel().tolist()))
    tensor_proto.write_shape((1, 16), request.inputs["INPUT0"].tensor_shape)
    response = PredictionServiceStub(channel).Predict(request, timeout=PATIENCE)
    assert set(response.outputs) == {"OUTPUT1"}
    np.testing.assert_array_equal(array_of(response.outputs["OUTPUT1"], np.int32), a - b)


def test_strings_halves_and_truths_go_through(predict):
    text = np.array([["é".encode(), b""], [b"b", b"two words"]], np.object_)
    same = predict("text", {"x": text}, {"x": "BYTES"}).outputs["y"]
    assert list(same.string_val) == text.ravel().tolist()
    half = np.array([[0.5, 65504]], np.float16)
    np.testing.assert_array_equal(
        array_of(predict("half", {"x": half}, {"x": "FP16"}).outputs["y"], np.float16), half
    )
    ids = np.array([2, 0], np.int32)
    labels = predict("labels_lite", {"ids": ids, "text": text[:, 0]}, {"ids": "INT32", "text": "BYTES"})
    assert list(labels.outputs["label"].string_val) == [b"c", b"a"]
    assert array_of(labels.outputs["same"], np.bool_).tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "inputs", "spec", "code", "text"),
    [
        ("none", {"x": ONES}, {}, MISSING, "no model 'none' here; the names are: affine"),
        ("", {"x": ONES}, {}, INVALID, "model_spec.name is empty; name the model"),
        ("affine", {"x": ONES}, number(7), MISSING, "no version 7; it has: 1, 2"),
        ("affine", {"x": ONES}, number(-1), INVALID, "must be a number, or empty for the latest; got '-1'"),
        (
            "affine",
            {"x": ONES},
            {"version_label": "gone"},
            MISSING,
            "no version label 'gone'.*HandleReloadConfig",
        ),
        ("none", {"x": ONES}, {"version_label": "gone"}, MISSING, "no model 'none' here"),
        (
            "affine",
            {"x": ONES},
            {"signature_name": "other"},
            INVALID,
            "'affine' has no signature 'other'; it has 'serving_default': set",
        ),
        ("none", {"x": ONES}, {"signature_name": "other"}, MISSING, "no model 'none' here"),
        ("affine", {"x": ONES}, number(7) | {"signature_name": "other"}, MISSING, "no version 7"),
        ("affine", {"z": ONES}, {}, INVALID, "no input 'z'; it has 'x'"),
        ("affine", {"x": ONES[:, :2]}, {}, INVALID, r"'x' has shape \[-1,3\].*got \[2,2\]"),
        ("affine", {}, {}, INVALID, "needs 'x' too; came nothing"),
        ("simple", {"INPUT0": ONES}, {}, INVALID, "'INPUT0' is of datatype INT32; got FP32"),
        (
            "bad",
            {"x": ONES},
            {},
            grpc.StatusCode.UNAVAILABLE,
            "'bad' is not ready: version 1: onnxruntime.*; mend its files",
        ),
    ],
)
def test_errors_name_what_came_and_what_was_expected(predict, name, inputs, spec, code, text):
    with pytest.raises(grpc.RpcError, match=text) as raised:
        predict(name, inputs, **spec)
    assert raised.value.code() is code


def test_an_output_that_is_not_there_cannot_be_filtered(channel):
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="affine"), output_filter=["z"])
    tensor_proto.write(ONES, "FP32", request.inputs["x"])
    with pytest.raises(grpc.RpcError, match="no output 'z'; it has 'y'") as raised:
        PredictionServiceStub(channel).Predict(request, timeout=PATIENCE)
    assert raised.value.code() is INVALID


def test_metadata_is_the_signature_a_tensorflow_model_would_have(channel):
    request = pb.GetModelMetadataRequest(
        model_spec=pb.ModelSpec(name="labels_lite"), metadata_field=["signature_def"]
    )
    response = PredictionServiceStub(channel).GetModelMetadata(request, timeout=PATIENCE)
    assert response.model_spec.version.value == 1
    assert response.metadata["signature_def"].type_url.endswith("/tensorflow.serving.SignatureDefMap")
    found = pb.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    signature = found.signature_def["serving_default"]
    assert set(found.signature_def) == {"serving_default"}
    assert signature.method_name == "tensorflow/serving/predict"
    described = {
        name: (info.dtype, [dim.size for dim in info.tensor_shape.dim])
        for side in (signature.inputs, signature.outputs)
        for name, info in side.items()
    }
    assert described == {
        "ids": (core.DT_INT32, [-1]),
        "text": (core.DT_STRING, [-1]),
        "label": (core.DT_STRING, [-1]),
        "same": (core.DT_BOOL, [-1]),
    }


@pytest.mark.parametrize("fields", [[], ["assets"], ["signature_def", "assets"]])
def test_there_is_no_other_metadata(channel, fields):
    request = pb.GetModelMetadataRequest(model_spec=pb.ModelSpec(name="affine"), metadata_field=fields)
    with pytest.raises(grpc.RpcError, match="metadata_field must be 'signature_def' alone; got") as raised:
        PredictionServiceStub(channel).GetModelMetadata(request, timeout=PATIENCE)
    assert raised.value.code() is INVALID


def test_the_latest_is_meant_by_clients_that_write_version_0_for_none(predict, models):
    assert predict("affine", {"x": ONES}, **number(0)).model_spec.version.value == 2
    assert list(states(models, name="affine", **number(0))) == [2, 1]
    with pytest.raises(grpc.RpcError, match="no model 'none' here") as raised:
        predict("none", {"x": ONES}, **number(0))
    assert raised.value.code() is MISSING


def test_a_version_0_that_is_there_is_meant(repository, onnx_models, start_server):
    for version in (0, 1):
        repository.onnx("m", onnx_models.affine(version), version)
    repository.config("m", "version_policy { all {} }")
    with grpc.insecure_channel(start_server(repository.root).address) as channel:
        request = pb.PredictRequest(model_spec=pb.ModelSpec(name="m", **number(0)))
        tensor_proto.write(ONES, "FP32", request.inputs["x"])
        answer = PredictionServiceStub(channel).Predict(request, timeout=PATIENCE)
        assert list(answer.outputs["y"].float_val) == [1] * 6
        assert answer.model_spec.version.value == 0
        assert answer.model_spec.HasField("version")
        assert list(states(ModelServiceStub(channel), name="m", **number(0))) == [0]


def test_content_is_answered_where_the_server_is_started_so(full_repository, start_server):
    server = start_server(full_repository, "--enable-serialization-as-tensor-content")
    with grpc.insecure_channel(server.address) as channel:
        request = pb.PredictRequest(model_spec=pb.ModelSpec(name="affine"))
        tensor_proto.write(ONES, "FP32", request.inputs["x"])
        answer = PredictionServiceStub(channel).Predict(request, timeout=PATIENCE).outputs["y"]
        assert np.frombuffer(answer.tensor_content, np.float32).tolist() == [3] * 6
        assert not answer.float_val


def test_sessions_are_refused_with_the_reason(channel):
    call = channel.unary_unary("/tensorflow.serving.SessionService/SessionRun")
    with pytest.raises(grpc.RpcError, match=r"names nodes of a TensorFlow graph.*use Predict") as raised:
        call(b"\x0a\x03abc", timeout=PATIENCE)
    assert raised.value.code() is UNDONE


def states(models, **spec):
    response = models.GetModelStatus(
        pb.GetModelStatusRequest(model_spec=pb.ModelSpec(**spec)), timeout=PATIENCE
    )
    return {each.version: each for each in response.model_version_status}


def test_versions_are_available_or_say_why_not(models):
    found = states(models, name="affine")
    assert found[2].state == pb.ModelVersionStatus.AVAILABLE
    assert found[2].status.error_code == error.OK
    (bad,) = states(models, name="bad").values()
    assert bad.state == pb.ModelVersionStatus.END
    assert bad.status.error_code == error.UNAVAILABLE
    assert "onnxruntime" in bad.status.error_message


def test_the_status_of_one_version_or_of_a_model_that_is_not_there(models):
    assert list(states(models, name="affine", **number(1))) == [1]
    with pytest.raises(grpc.RpcError, match="no version 7; leave the version out") as raised:
        states(models, name="affine", **number(7))
    assert raised.value.code() is MISSING
    with pytest.raises(grpc.RpcError, match="no model 'none' here") as raised:
        states(models, name="none")
    assert raised.value.code() is MISSING


ADMINISTERED = ("--model-control-mode", "explicit", "--load-model", "*")


def reload(models, *configs, **fields):
    listed = pb.ModelServerConfig(model_config_list=pb.ModelConfigList(config=configs), **fields)
    return models.HandleReloadConfigRequest(pb.ReloadConfigRequest(config=listed), timeout=PATIENCE)


@pytest.fixture
def own(repository, onnx_models, start_server):
    """Stubs of a server that a test may change: model 'm' adds 1 to 1 x, 2 x."""
    for version in (1, 2):
        repository.onnx("m", onnx_models.affine(version), version)
    (repository.root / "m" / "config.pbtxt").write_text("version_policy: { all: {} }")
    server = start_server(repository.root, *ADMINISTERED)
    with grpc.insecure_channel(server.address) as channel:
        yield PredictionServiceStub(channel), ModelServiceStub(channel)


@pytest.fixture(scope="module")
def administered(start_module_server, full_repository):
    """A stub of a server with administration enabled; what it refuses changes nothing."""
    server = start_module_server(full_repository, "--model-control-mode", "explicit")
    with grpc.insecure_channel(server.address) as channel:
        yield ModelServiceStub(channel)


def test_a_reload_is_refused_where_administration_is_off(models):
    with pytest.raises(grpc.RpcError, match=r"give no labels .* --model-control-mode explicit") as raised:
        reload(models, pb.ModelConfig(name="affine", version_labels={"new": 1}))
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED


def labelled(prediction, label):
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name="m", version_label=label))
    tensor_proto.write(ONES, "FP32", request.inputs["x"])
    return prediction.Predict(request, timeout=PATIENCE).model_spec.version.value


def test_labels_are_given_moved_and_taken(own):
    prediction, models = own
    answer = reload(
        models, pb.ModelConfig(name="m", base_path="/models/m", version_labels={"new": 2, "old": 1})
    )
    assert answer.status.error_code == error.OK
    assert [labelled(prediction, label) for label in ("new", "old")] == [2, 1]
    assert list(states(models, name="m", version_label="old")) == [1]
    reload(models, pb.ModelConfig(name="m", version_labels={"new": 1}))
    assert labelled(prediction, "new") == 1
    with pytest.raises(grpc.RpcError, match="no version label 'old'; it has 'new'"):
        labelled(prediction, "old")


def test_a_label_for_a_version_that_is_not_there_changes_nothing(own):
    prediction, models = own
    reload(models, pb.ModelConfig(name="m", version_labels={"new": 2}))
    with pytest.raises(grpc.RpcError, match="no version 9; it has: 1, 2") as raised:
        reload(models, pb.ModelConfig(name="m", version_labels={"new": 1, "odd": 9}))
    assert raised.value.code() is MISSING
    assert labelled(prediction, "new") == 2


def test_the_owner_gives_labels_in_the_config_until_requests_give_others(
    repository, onnx_models, start_server
):
    for version in (1, 2):
        repository.onnx("m", onnx_models.affine(version), version)
    stated = (("stable", "1"), ("next", "3"))
    parameters = [
        f'parameters {{ key: "version_label.{label}" value {{ string_value: "{version}" }} }}'
        for label, version in stated
    ]
    repository.config("m", "\n".join(["version_policy { all {} }", *parameters]))
    server = start_server(repository.root, *ADMINISTERED)
    with grpc.insecure_channel(server.address) as channel:
        prediction, models = PredictionServiceStub(channel), ModelServiceStub(channel)
        assert labelled(prediction, "stable") == 1
        with pytest.raises(grpc.RpcError, match="no version 3; it has: 1, 2"):
            labelled(prediction, "next")
        reload(models, pb.ModelConfig(name="m", version_labels={"stable": 2}))
        assert labelled(prediction, "stable") == 2
        with pytest.raises(grpc.RpcError, match="no version label 'next'; it has 'stable'"):
            labelled(prediction, "next")


@pytest.mark.parametrize(
    ("configs", "code", "text"),
    [
        ([pb.ModelConfig()], INVALID, "has no name; name it"),
        ([pb.ModelConfig(name="none")], MISSING, "'none': the repository holds no such model"),
        ([pb.ModelConfig(name="affine")] * 2, INVALID, "'affine' came twice; name each model once"),
        (
            [pb.ModelConfig(name="affine", base_path="/etc")],
            INVALID,
            "not the folder of model 'affine'.*leave",
        ),
        (
            [pb.ModelConfig(name="affine", model_version_policy={"all": {}})],
            UNDONE,
            "model_version_policy of model 'affine'.*set version_policy in the model's config.pbtxt",
        ),
    ],
)
def test_a_reload_cannot_do_more_than_the_repository(administered, configs, code, text):
    with pytest.raises(grpc.RpcError, match=text) as raised:
        reload(administered, *configs)
    assert raised.value.code() is code


def test_a_reload_without_a_list_of_models_is_not_understood(administered):
    with pytest.raises(grpc.RpcError, match="takes model_config_list and nothing else") as raised:
        administered.HandleReloadConfigRequest(pb.ReloadConfigRequest(), timeout=PATIENCE)
    assert raised.value.code() is UNDONE


@pytest.fixture
def explicit(repository, onnx_models, start_server):
    """A server that loads what requests name, of two good models and a bad one; nothing at first."""
    for name, content in (("m", onnx_models.affine()), ("n", onnx_models.affine(3.0)), ("bad", b"junk")):
        repository.onnx(name, content)
    server = start_server(repository.root, "--model-control-mode", "explicit")
    with grpc.insecure_channel(server.address) as channel:
        yield PredictionServiceStub(channel), ModelServiceStub(channel)


def test_a_reload_replaces_the_list_of_models_where_requests_decide(explicit):
    prediction, models = explicit
    with pytest.raises(grpc.RpcError, match="no model 'm' here"):
        states(models, name="m")
    reload(models, pb.ModelConfig(name="m", version_labels={"new": 1}))
    assert labelled(prediction, "new") == 1
    reload(models, pb.ModelConfig(name="n"))
    assert states(models, name="n")[1].state == pb.ModelVersionStatus.AVAILABLE
    (gone,) = states(models, name="m").values()
    assert (gone.state, gone.status.error_code) == (pb.ModelVersionStatus.END, error.OK)
    with pytest.raises(grpc.RpcError, match="'m' version 1 is not ready: unloaded; load it again"):
        labelled(prediction, "new")


def test_a_reload_that_fails_takes_nothing_back(explicit):
    prediction, models = explicit
    reload(models, pb.ModelConfig(name="m", version_labels={"new": 1}))
    with pytest.raises(grpc.RpcError, match="'bad', version 1: onnxruntime cannot load it") as raised:
        reload(models, pb.ModelConfig(name="n"), pb.ModelConfig(name="bad"))
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert labelled(prediction, "new") == 1
