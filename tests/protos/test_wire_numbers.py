"""Our contracts against the originals: tritonclient's, TensorFlow's, and TensorFlow Serving's as a table."""

import ast
import importlib.util
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from tritonclient.grpc import model_config_pb2 as triton_config
from tritonclient.grpc import service_pb2 as triton_service

from protos import (
    model_config_pb2,
    open_inference_pb2,
    tensorflow_core_pb2,
    tensorflow_error_pb2,
    tensorflow_serving_pb2,
)

LABEL = {1: "", 2: "required ", 3: "repeated "}
TENSORFLOW = Path(importlib.util.find_spec("tensorflow").submodule_search_locations[0])


def proto_of(module):
    file = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


def installed(path):
    """The descriptor in a generated module, read without importing it and the library around it."""
    for node in ast.walk(ast.parse((TENSORFLOW / path).read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            return FileDescriptorProto.FromString(node.args[0].value)
    raise AssertionError(f"{path} registers no file")


def field_facts(message, field):
    """Everything about a field that decides what bytes it becomes, and in which oneof it stands."""
    kind = field.type_name or FieldDescriptorProto.Type.Name(field.type)[5:].lower()
    group = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    return field.number, f"{LABEL[field.label]}{kind}", group


def facts(file):
    """Flatten a file to {full name of a field, enum value or method: what it is}."""
    found = {}

    def enum(item, prefix):
        found.update({f"{prefix}.{item.name}/{value.name}": value.number for value in item.value})

    def message(item, prefix):
        name = f"{prefix}.{item.name}"
        found[name] = "map entry" if item.options.map_entry else "message"
        found.update({f"{name}.{field.name}": field_facts(item, field) for field in item.field})
        for inner in item.nested_type:
            message(inner, name)
        for inner in item.enum_type:
            enum(inner, name)

    for item in file.message_type:
        message(item, file.package)
    for item in file.enum_type:
        enum(item, file.package)
    for service in file.service:
        for rpc in service.method:
            streams = rpc.client_streaming, rpc.server_streaming
            found[f"{file.package}.{service.name}/{rpc.name}"] = rpc.input_type, rpc.output_type, streams
    return found


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(open_inference_pb2, triton_service), (model_config_pb2, triton_config)],
    ids=["service", "config"],
)
def test_open_inference_contract_is_tritons_to_the_last_field(ours, theirs):
    assert facts(proto_of(ours)) == facts(proto_of(theirs))


def test_facts_that_bite_are_as_clients_expect_them():
    found = facts(proto_of(open_inference_pb2))
    assert found["inference.InferParameter.double_param"][0] == 4
    assert found["inference.InferParameter.uint64_param"][0] == 5
    assert found["inference.RepositoryModelLoadRequest.model_name"][0] == 2
    assert found["inference.ModelStreamInferResponse.error_message"][0] == 1
    assert found["inference.ModelStreamInferResponse.infer_response"][0] == 2


def test_what_is_taken_from_tensorflow_has_the_numbers_of_the_installed_one():
    theirs = {}
    for path in (
        "core/framework/types_pb2.py",
        "core/framework/tensor_shape_pb2.py",
        "core/framework/tensor_pb2.py",
        "core/protobuf/meta_graph_pb2.py",
        "core/example/feature_pb2.py",
        "core/example/example_pb2.py",
    ):
        theirs |= facts(installed(path))
    ours = facts(proto_of(tensorflow_core_pb2))
    assert len(ours) > 80
    assert {name: theirs.get(name) for name in ours} == ours


def test_error_codes_are_grpcs():
    import grpc  # noqa: PLC0415  only this test needs it

    codes = dict(tensorflow_error_pb2.Code.items())
    assert codes == {code.name: code.value[0] for code in grpc.StatusCode}


# Number and type of every field of TensorFlow Serving 2.21, whose package is not among our dependencies.
SERVING = {
    "ModelSpec": "name=1 string, version=2 Int64Value, version_label=4 string, signature_name=3 string",
    "PredictRequest": "model_spec=1 ModelSpec, inputs=2 *InputsEntry, output_filter=3 *string, "
    "predict_streamed_options=5 PredictStreamedOptions, client_id=6 bytes, request_options=7 RequestOptions",
    "PredictRequest.RequestOptions": "client_id=1 bytes, deterministic_mode=2 DeterministicMode, "
    "return_additional_arrays_from_prefill=3 bool, return_stoptokens=4 *int64, return_all_stoptokens=9 bool, "
    "max_cache_length=6 int64, handshake=13 Handshake",
    "PredictRequest.RequestOptions.Handshake": "estimated_payload_bytes=1 int64",
    "PredictRequest.InputsEntry": "key=1 string, value=2 TensorProto",
    "PredictStreamedOptions": "request_state=1 RequestState, split_dimensions=2 *SplitDimensionsEntry, "
    "return_single_response=3 bool",
    "PredictStreamedOptions.SplitDimensionsEntry": "key=1 string, value=2 int32",
    "PredictResponse": "model_spec=2 ModelSpec, outputs=1 *OutputsEntry",
    "PredictResponse.OutputsEntry": "key=1 string, value=2 TensorProto",
    "SignatureDefMap": "signature_def=1 *SignatureDefEntry",
    "SignatureDefMap.SignatureDefEntry": "key=1 string, value=2 SignatureDef",
    "GetModelMetadataRequest": "model_spec=1 ModelSpec, metadata_field=2 *string",
    "GetModelMetadataResponse": "model_spec=1 ModelSpec, metadata=2 *MetadataEntry",
    "GetModelMetadataResponse.MetadataEntry": "key=1 string, value=2 Any",
    "ExampleList": "examples=1 *Example",
    "ExampleListWithContext": "examples=1 *Example, context=2 Example",
    "Input": "example_list=1 ExampleList, example_list_with_context=2 ExampleListWithContext",
    "Class": "label=1 string, score=2 float",
    "Classifications": "classes=1 *Class",
    "ClassificationResult": "classifications=1 *Classifications",
    "ClassificationRequest": "model_spec=1 ModelSpec, input=2 Input",
    "ClassificationResponse": "model_spec=2 ModelSpec, result=1 ClassificationResult",
    "Regression": "value=1 float",
    "RegressionResult": "regressions=1 *Regression",
    "RegressionRequest": "model_spec=1 ModelSpec, input=2 Input",
    "RegressionResponse": "model_spec=2 ModelSpec, result=1 RegressionResult",
    "InferenceTask": "model_spec=1 ModelSpec, method_name=2 string",
    "InferenceResult": "model_spec=1 ModelSpec, classification_result=2 ClassificationResult, "
    "regression_result=3 RegressionResult",
    "MultiInferenceRequest": "tasks=1 *InferenceTask, input=2 Input",
    "MultiInferenceResponse": "results=1 *InferenceResult",
    "StatusProto": "error_code=1 Code, error_message=2 string",
    "GetModelStatusRequest": "model_spec=1 ModelSpec",
    "ModelVersionStatus": "version=1 int64, state=2 State, status=3 StatusProto",
    "GetModelStatusResponse": "model_version_status=1 *ModelVersionStatus",
    "ReloadConfigRequest": "config=1 ModelServerConfig, metric_names=2 *string",
    "ReloadConfigResponse": "status=1 StatusProto, metric=2 *Metric",
    "Metric": "name=1 string, int64_value_increase=2 int64",
    "ModelConfig": "name=1 string, base_path=2 string, model_type=3 ModelType, model_platform=4 string, "
    "model_version_policy=7 ServableVersionPolicy, version_labels=8 *VersionLabelsEntry, "
    "logging_config=6 LoggingConfig",
    "ModelConfig.VersionLabelsEntry": "key=1 string, value=2 int64",
    "ModelConfigList": "config=1 *ModelConfig",
    "ModelServerConfig": "model_config_list=1 ModelConfigList, custom_model_config=2 Any",
    "FileSystemStoragePathSourceConfig": "servables=5 *ServableToMonitor, "
    "file_system_poll_wait_seconds=3 int64, fail_if_zero_versions_at_startup=4 bool, "
    "servable_versions_always_present=6 bool",
    "FileSystemStoragePathSourceConfig.ServableVersionPolicy": "latest=100 Latest, "
    "all=101 All, specific=102 Specific",
    "FileSystemStoragePathSourceConfig.ServableVersionPolicy.Latest": "num_versions=1 uint32",
    "FileSystemStoragePathSourceConfig.ServableVersionPolicy.All": "",
    "FileSystemStoragePathSourceConfig.ServableVersionPolicy.Specific": "versions=1 *int64",
    "FileSystemStoragePathSourceConfig.ServableToMonitor": "servable_name=1 string, base_path=2 string, "
    "servable_version_policy=4 ServableVersionPolicy",
    "PerTaskSamplingConfig": "dc=1 string, task_index=2 int32, sampling_rate=3 double",
    "SamplingConfig": "sampling_rate=1 double, per_task_sampling_configs=3 *PerTaskSamplingConfig, "
    "attributes=2 int32",
    "LoggingConfig": "log_collector_config=1 LogCollectorConfig, sampling_config=2 SamplingConfig, "
    "custom_logging_config=3 Any",
    "LogCollectorConfig": "type=1 string, filename_prefix=2 string",
}


def test_tensorflow_serving_messages_have_these_fields_and_no_others():
    found = {}

    def message(item, prefix):
        parts = []
        for field in item.field:
            kind = (
                field.type_name.rpartition(".")[2] or FieldDescriptorProto.Type.Name(field.type)[5:].lower()
            )
            parts.append(f"{field.name}={field.number} {'*' if field.label == 3 else ''}{kind}")
        found[prefix + item.name] = ", ".join(parts)
        for inner in item.nested_type:
            message(inner, f"{prefix}{item.name}.")

    for item in proto_of(tensorflow_serving_pb2).message_type:
        message(item, "")
    assert found == SERVING


@pytest.mark.parametrize(
    ("enum", "values"),
    [
        ("ModelVersionStatus.State", "UNKNOWN=0 START=10 LOADING=20 AVAILABLE=30 UNLOADING=40 END=50"),
        ("ModelType", "MODEL_TYPE_UNSPECIFIED=0 TENSORFLOW=1 OTHER=2"),
        ("PredictStreamedOptions.RequestState", "NONE=0 SPLIT=1 END_SPLIT=2 CANCEL=3"),
        ("SamplingConfig.Attributes", "ATTR_DEFAULT=0 ATTR_REQUEST_ORIGIN=1 ATTR_REQUEST_CRITICALITY=2"),
    ],
)
def test_tensorflow_serving_enums_have_these_values(enum, values):
    found = facts(proto_of(tensorflow_serving_pb2))
    prefix = f"tensorflow.serving.{enum}/"
    assert {n.removeprefix(prefix): v for n, v in found.items() if n.startswith(prefix)} == {
        name: int(number) for name, number in (pair.split("=") for pair in values.split())
    }


def test_tensorflow_serving_services_have_these_methods():
    found = facts(proto_of(tensorflow_serving_pb2))
    methods = {name: what for name, what in found.items() if "Service/" in name}
    assert set(methods) == {
        f"tensorflow.serving.{name}"
        for name in (
            "PredictionService/Classify",
            "PredictionService/Regress",
            "PredictionService/Predict",
            "PredictionService/MultiInference",
            "PredictionService/GetModelMetadata",
            "ModelService/GetModelStatus",
            "ModelService/HandleReloadConfigRequest",
        )
    }
    assert all(streams == (False, False) for _, _, streams in methods.values())
    sent, answered, _ = methods["tensorflow.serving.PredictionService/Classify"]
    assert (sent, answered) == (
        ".tensorflow.serving.ClassificationRequest",
        ".tensorflow.serving.ClassificationResponse",
    )
