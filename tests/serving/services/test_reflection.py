"""Reflection as generic clients ask it: under both of its names, for every kind of symbol."""

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2 as pb
from patience import PATIENCE

NAMES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


@pytest.fixture(params=NAMES)
def ask(full_server, request):
    """Puts requests to one of the services; gives their answers in order."""

    def answers(*asked):
        return list(
            channel.stream_stream(
                f"/{request.param}/ServerReflectionInfo",
                request_serializer=pb.ServerReflectionRequest.SerializeToString,
                response_deserializer=pb.ServerReflectionResponse.FromString,
            )(iter(asked), timeout=PATIENCE)
        )

    with grpc.insecure_channel(full_server.address) as channel:
        yield answers


def symbols(*names):
    return [pb.ServerReflectionRequest(file_containing_symbol=name) for name in names]


def defined(answer):
    """The names of the methods of each service in the file that was asked for, which comes first."""
    file = FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])
    return {
        f"{file.package}.{service.name}": {method.name for method in service.method}
        for service in file.service
    }


def test_every_method_of_every_service_is_a_symbol(ask):
    (listed,) = ask(pb.ServerReflectionRequest(list_services=""))
    services = [each.name for each in listed.list_services_response.service]
    found = {name: defined(each)[name] for name, each in zip(services, ask(*symbols(*services)), strict=True)}
    methods = [(service, method) for service in services for method in found[service]]
    assert len(methods) > 30
    answers = ask(*symbols(*(f"{service}.{method}" for service, method in methods)))
    for (service, method), answer in zip(methods, answers, strict=True):
        assert method in defined(answer)[service]


def test_what_messages_and_enumerations_hold_are_symbols_too(ask):
    names = (
        "inference.ModelInferRequest.InferInputTensor.shape",
        "inference.InferParameter.parameter_choice",
        "inference.DataType",
        "inference.TYPE_FP32",
        "grpc.health.v1.HealthCheckResponse.SERVING",
    )
    for answer in ask(*symbols(*names)):
        assert answer.file_descriptor_response.file_descriptor_proto


@pytest.mark.parametrize(
    "name",
    [
        "inference.GRPCInferenceService.Nothing",
        "inference.GRPCInferenceService.ModelInfer.more",
        "inference.Nothing.ModelInfer",
        "inference",
        "GRPCInferenceService.ModelInfer",
        "",
    ],
)
def test_a_symbol_that_nothing_defines_is_not_found(ask, name):
    for answer in ask(*symbols(name)):
        assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_a_message_that_nothing_extends_has_no_extensions(ask):
    message = "inference.ModelInferRequest"
    numbers, one = ask(
        pb.ServerReflectionRequest(all_extension_numbers_of_type=message),
        pb.ServerReflectionRequest(
            file_containing_extension=pb.ExtensionRequest(containing_type=message, extension_number=5)
        ),
    )
    assert numbers.all_extension_numbers_response.base_type_name == message
    assert not numbers.all_extension_numbers_response.extension_number
    assert one.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_the_newer_name_answers_as_the_older_does(full_server):
    asked = [
        pb.ServerReflectionRequest(list_services=""),
        pb.ServerReflectionRequest(file_containing_symbol="grpc.reflection.v1.ServerReflection"),
        pb.ServerReflectionRequest(file_containing_symbol="inference.GRPCInferenceService"),
    ]
    with grpc.insecure_channel(full_server.address) as channel:
        listed, described, ours = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=pb.ServerReflectionRequest.SerializeToString,
            response_deserializer=pb.ServerReflectionResponse.FromString,
        )(iter(asked), timeout=PATIENCE)
    names = {each.name for each in listed.list_services_response.service}
    assert {
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    } <= names
    files = [
        FileDescriptorProto.FromString(each)
        for each in described.file_descriptor_response.file_descriptor_proto
    ]
    newer = next(each for each in files if each.package == "grpc.reflection.v1")
    assert newer.service[0].method[0].input_type == ".grpc.reflection.v1.ServerReflectionRequest"
    assert ours.file_descriptor_response.file_descriptor_proto
