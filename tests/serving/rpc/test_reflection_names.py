"""Reflection under its newer name, which grpcio's own client does not use yet."""

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2 as pb
from patience import PATIENCE


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
