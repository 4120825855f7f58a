"""Tokens against real servers: who is let in, and what those who are not are told."""

import contextlib
import re
import time
import urllib.request

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc_health.v1 import health_pb2, health_pb2_grpc
from patience import PATIENCE
from tritonclient.utils import InferenceServerException

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.access.rights import NEEDED, Right
from serving.cli import main
from serving.client import Client, tls
from serving.client.errors import UnauthenticatedError
from serving.endpoint.client_credentials import CredentialsError

pytestmark = pytest.mark.slow

INFERENCE = "inference-token-of-the-web-shop-1"
ADMINISTRATION = "administration-token-of-the-owner"
EVERYWHERE = "0.0.0.0"  # noqa: S104  in a test, for a second
X = np.zeros((1, 3), np.float32)


@pytest.fixture(scope="module")
def server(start_module_server, good_repository, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    path.write_text(f"inference {INFERENCE}\nadministration {ADMINISTRATION}\n")
    path.chmod(0o600)
    return start_module_server(good_repository, "--tokens", str(path), "--allow-shared-memory")


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.address) as channel:
        yield channel


def code(channel, method, *headers, request=b""):
    """How a call of bytes ends, whatever its kind."""
    streams = method.endswith(("ModelStreamInfer", "ServerReflectionInfo"))
    metadata = [("authorization", each) for each in headers]
    try:
        if streams:
            list(channel.stream_stream(method)(iter([request]), timeout=PATIENCE, metadata=metadata))
        elif method.endswith("Watch"):
            next(channel.unary_stream(method)(request, timeout=PATIENCE, metadata=metadata))
        else:
            channel.unary_unary(method)(request, timeout=PATIENCE, metadata=metadata)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


REFUSALS = {"UNAUTHENTICATED", "PERMISSION_DENIED"}


@pytest.mark.parametrize("method", sorted(NEEDED))
def test_each_method_lets_in_who_has_its_right_and_nobody_else(channel, method):
    with_none = code(channel, method)
    with_unknown = code(channel, method, "Bearer " + "x" * 32)
    with_inference = code(channel, method, f"Bearer {INFERENCE}")
    with_administration = code(channel, method, f"Bearer {ADMINISTRATION}")
    right = NEEDED[method]
    assert (
        (with_none == "UNAUTHENTICATED") == (with_unknown == "UNAUTHENTICATED") == (right is not Right.NONE)
    )
    assert "PERMISSION_DENIED" not in (with_none, with_unknown)
    assert (with_inference == "PERMISSION_DENIED") == (right is Right.ADMINISTRATION)
    assert with_administration not in REFUSALS


def test_a_method_that_is_not_there_tells_a_stranger_nothing(channel):
    assert code(channel, "/inference.GRPCInferenceService/Nothing") == "UNAUTHENTICATED"
    assert code(channel, "/a.b/C", f"Bearer {ADMINISTRATION}") == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    "headers",
    [
        (INFERENCE,),
        (f"Basic {INFERENCE}",),
        ("Bearer",),
        ("Bearer ",),
        (f"Bearer  {INFERENCE}",),
        (f"Bearer {INFERENCE} ",),
        (f"Bearer {INFERENCE[:-1]}",),
        (f"Bearer {INFERENCE},Bearer {ADMINISTRATION}",),
        (f"Bearer {INFERENCE}", f"Bearer {INFERENCE}"),
        (f"Bearer {'x' * 32}", f"Bearer {ADMINISTRATION}"),
    ],
)
def test_a_header_that_is_not_exactly_right_is_refused(channel, headers):
    method = "/inference.GRPCInferenceService/ServerMetadata"
    refused = {"UNAUTHENTICATED"}
    if any(value != value.strip() for value in headers):
        refused.add("INTERNAL")  # RFC 9113, 8.2.1: a value that begins or ends with a space ends the stream
    assert code(channel, method, *headers) in refused


def test_the_scheme_is_known_in_any_case(channel):
    method = "/inference.GRPCInferenceService/ServerMetadata"
    assert code(channel, method, f"bearer {INFERENCE}") == "OK"


def test_probes_need_no_token(channel):
    stub = GRPCInferenceServiceStub(channel)
    assert stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE).live
    assert stub.ServerReady(pb.ServerReadyRequest(), timeout=PATIENCE).ready
    check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
    assert check.status == health_pb2.HealthCheckResponse.SERVING


def test_who_is_refused_is_told_what_to_do(server):
    with Client(server.address) as client, pytest.raises(UnauthenticatedError) as error:
        client.infer("affine", X)
    assert (
        error.value.details == "this server asks for a token; send the header 'authorization: Bearer TOKEN'"
    )
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as denied:
        GRPCInferenceServiceStub(channel).RepositoryModelUnload(
            pb.RepositoryModelUnloadRequest(model_name="affine"),
            timeout=PATIENCE,
            metadata=[("authorization", f"Bearer {INFERENCE}")],
        )
    assert denied.value.details() == (
        "RepositoryModelUnload needs a token with the right 'administration', and this one has 'inference'; "
        "ask whoever runs the server for such a token"
    )


def test_our_client_sends_its_token(server):
    with Client(server.address, token=INFERENCE) as client:
        assert client.infer("affine", X)["y"].tolist() == [[1, 1, 1]]
        assert client.model_ready("affine")
    with Client(server.address, token=INFERENCE + "x") as client, pytest.raises(UnauthenticatedError):
        client.metadata("affine")


@pytest.mark.parametrize("token", ["", "a b", "a\n", "é"])
def test_our_client_sends_no_token_that_is_none(server, token):
    with pytest.raises(CredentialsError):
        Client(server.address, token=token)


def test_tritonclient_sends_its_token_as_a_header(server):
    x = triton.InferInput("x", [1, 3], "FP32")
    x.set_data_from_numpy(X)
    headers = {"authorization": f"Bearer {INFERENCE}"}
    with triton.InferenceServerClient(server.address) as client:
        assert client.infer("affine", [x], headers=headers).as_numpy("y").tolist() == [[1, 1, 1]]
        assert client.is_server_live()
        with pytest.raises(InferenceServerException, match="UNAUTHENTICATED"):
            client.infer("affine", [x])
        with pytest.raises(InferenceServerException, match="PERMISSION_DENIED"):
            client.register_system_shared_memory("r", "/r", 4, headers=headers)


def test_tritonclient_streams_with_a_token_and_not_without(server):
    for headers, answered in (({"authorization": f"Bearer {INFERENCE}"}, True), (None, False)):
        answers = []
        x = triton.InferInput("x", [1, 3], "FP32")
        x.set_data_from_numpy(X)
        with triton.InferenceServerClient(server.address) as client:
            client.start_stream(
                lambda result, error, kept=answers: kept.append((result, error)), headers=headers
            )
            with contextlib.suppress(InferenceServerException):  # a stream that is refused may be over by now
                client.async_stream_infer("affine", [x])
            client.stop_stream()
        ((result, error),) = answers
        assert (result is not None, "UNAUTHENTICATED" in str(error)) == (answered, not answered)


def test_the_commands_send_a_token_from_a_file_or_the_environment(server, tmp_path, capsys, monkeypatch):
    row, token = tmp_path / "x.csv", tmp_path / "token"
    row.write_text("1,2,3\n")
    token.write_text(f"{INFERENCE}\n")
    command = ["predict", "affine", "--input", str(row), "--server", server.address]
    monkeypatch.delenv("PLAINSERVE_TOKEN", raising=False)
    assert main(command) == 1
    assert "UNAUTHENTICATED: this server asks for a token" in capsys.readouterr().err
    assert main([*command, "--token-file", str(token)]) == 0
    monkeypatch.setenv("PLAINSERVE_TOKEN", INFERENCE)
    assert main(command) == 0
    assert main([*command, "--token-file", str(tmp_path / "none")]) == 2
    token.write_text(f"inference {INFERENCE}\n")
    capsys.readouterr()
    assert main([*command, "--token-file", str(token)]) == 2
    assert f"'{token}' holds more than a token: " in capsys.readouterr().err
    assert main(["health", "--server", server.address]) == 0


def test_what_is_refused_is_counted_and_invented_names_are_not(start_server, good_repository, tokens_file):
    server = start_server(
        good_repository, "--tokens", str(tokens_file), "--metrics-port", "0", "--log-level", "info"
    )
    found = None
    while not found:
        found = re.search(r"metrics at (http://\S+)", server.process.stderr.readline())
    with grpc.insecure_channel(server.address) as channel:
        assert code(channel, "/inference.GRPCInferenceService/ModelInfer") == "UNAUTHENTICATED"
        assert code(channel, "/made.up/Name") == "UNAUTHENTICATED"
    with urllib.request.urlopen(found[1], timeout=PATIENCE) as page:  # noqa: S310  our own server's
        text = page.read().decode()
    assert 'grpc_method="ModelInfer",grpc_code="UNAUTHENTICATED"} 1' in text
    assert "made.up" not in text


def test_a_token_is_taken_back_and_another_given_under_a_live_connection(
    start_server, good_repository, tokens_file
):
    server = start_server(good_repository, "--tokens", str(tokens_file))
    with grpc.insecure_channel(server.address) as channel:
        method = "/inference.GRPCInferenceService/ServerMetadata"
        assert code(channel, method, f"Bearer {INFERENCE}") == "OK"
        staged = tokens_file.with_suffix(".new")
        staged.write_text(f"inference {INFERENCE}-new\n")
        staged.chmod(0o600)
        staged.rename(tokens_file)
        time.sleep(1.1)
        assert code(channel, method, f"Bearer {INFERENCE}") == "UNAUTHENTICATED"
        assert code(channel, method, f"Bearer {INFERENCE}-new") == "OK"


def test_tokens_and_tls_go_together(start_server, good_repository, certificates, tls_options, tokens_file):
    options = [*tls_options(certificates.server), "--tokens", str(tokens_file), "--host", EVERYWHERE]
    server = start_server(good_repository, *options)
    address = server.address.replace(EVERYWHERE, "127.0.0.1")
    with Client(address, credentials=tls(certificates.ca), token=INFERENCE) as client:
        assert client.infer("affine", X)["y"].tolist() == [[1, 1, 1]]
    with Client(address, credentials=tls(certificates.ca)) as client, pytest.raises(UnauthenticatedError):
        client.infer("affine", X)


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.1", "models.example"])
def test_tokens_that_all_could_read_on_their_way_are_refused_at_the_start(
    good_repository, tokens_file, capsys, host
):
    command = ["serve", str(good_repository), "--port", "0", "--host", host, "--tokens", str(tokens_file)]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"plainserve serve: tokens sent to {host} without encryption could be read")


def test_behind_something_that_decrypts_plain_tokens_can_be_allowed(
    start_server, good_repository, tokens_file
):
    options = ["--host", EVERYWHERE, "--tokens", str(tokens_file), "--allow-plain-tokens"]
    assert start_server(good_repository, *options).line.startswith("Serving 1 model ")


def test_no_token_reaches_the_log(start_server, good_repository, tokens_file):
    server = start_server(good_repository, "--tokens", str(tokens_file), "--log-level", "debug")
    unknown = "a-token-that-nobody-knows"
    for token in (INFERENCE, unknown):
        with grpc.insecure_channel(server.address) as channel:
            code(channel, "/inference.GRPCInferenceService/ModelInfer", f"Bearer {token}")
    staged = tokens_file.with_suffix(".new")
    staged.write_text(f"inference {INFERENCE}\nadmin {unknown}\n")
    staged.rename(tokens_file)
    time.sleep(1.1)
    with grpc.insecure_channel(server.address) as channel:
        code(channel, "/inference.GRPCInferenceService/ModelReady", f"Bearer {INFERENCE}")
    server.terminate()
    _, _, err = server.wait()
    assert "line 2: it must begin with inference or administration" in err
    assert not [token for token in (INFERENCE, ADMINISTRATION, unknown) if token in err]


def test_calls_that_are_turned_away_are_logged_without_their_tokens(
    start_server, good_repository, tokens_file
):
    server = start_server(good_repository, "--tokens", str(tokens_file))
    secrets = ["Bearer " + "s3cret-guess-" * 3, f"Basic {ADMINISTRATION}", f"Bearer {INFERENCE}"]
    with grpc.insecure_channel(server.address) as channel:
        for secret in secrets * 40:
            code(channel, "/inference.GRPCInferenceService/RepositoryModelLoad", secret)
    server.terminate()
    ended, _, err = server.wait()
    lines = err.splitlines()
    assert ended == 0
    assert re.fullmatch(
        r"WARNING: a call was turned away peer=ipv4:127\.0\.0\.1:\d+ "
        r"method=/inference\.GRPCInferenceService/RepositoryModelLoad "
        r"reason='the server does not know this token'",
        lines[0],
    )
    assert len(lines) < 60  # of 120 calls; one a second
    assert all("turned away" in line for line in lines)
    assert not any(secret.split()[1] in err for secret in secrets)
