"""TLS, tokens and administration mean the same whichever worker answers."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.cli import main
from serving.client import tls

pytestmark = pytest.mark.slow

INFERENCE = "inference-token-of-the-web-shop-1"
ADMINISTRATION = "administration-token-of-the-owner"
CONNECTIONS = 12
"""Enough that no worker is left out: the kernel chooses one for each connection."""


def metadata(token):
    return [("authorization", f"Bearer {token}")] if token else None


def each_connection(address, credentials, ask):
    """What a call gives on many connections: the names of its codes."""

    def once(number):
        own = [("grpc.use_local_subchannel_pool", 1), ("plainserve.test", number)]
        with grpc.secure_channel(address, credentials, own) as channel:
            try:
                ask(GRPCInferenceServiceStub(channel))
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

    with ThreadPoolExecutor(4) as pool:
        return set(pool.map(once, range(CONNECTIONS)))


@pytest.fixture
def server(start_server, good_repository, certificates, tls_options, tokens_file):
    options = ["--workers", "2", *tls_options(certificates.server), "--tokens", str(tokens_file)]
    return start_server(good_repository, *options)


def live(token):
    return lambda stub: stub.ServerMetadata(
        pb.ServerMetadataRequest(), timeout=PATIENCE, metadata=metadata(token)
    )


def quieter(token):
    def ask(stub):
        request = pb.LogSettingsRequest()
        request.settings["log_info"].bool_param = False
        stub.LogSettings(request, timeout=PATIENCE, metadata=metadata(token))

    return ask


def test_every_worker_asks_for_tokens_and_learns_of_new_ones(server, certificates, tokens_file):
    address, credentials = server.address, tls(certificates.ca)
    assert each_connection(address, credentials, live(INFERENCE)) == {"OK"}
    assert each_connection(address, credentials, live(None)) == {"UNAUTHENTICATED"}
    assert each_connection(address, credentials, quieter(INFERENCE)) == {"PERMISSION_DENIED"}
    assert each_connection(address, credentials, quieter(ADMINISTRATION)) == {"OK"}
    staged = tokens_file.with_suffix(".new")
    staged.write_text(f"inference {ADMINISTRATION}\n")
    staged.chmod(0o600)
    staged.rename(tokens_file)
    time.sleep(1.1)
    assert each_connection(address, credentials, live(INFERENCE)) == {"UNAUTHENTICATED"}
    assert each_connection(address, credentials, live(ADMINISTRATION)) == {"OK"}
    assert each_connection(address, credentials, quieter(ADMINISTRATION)) == {"PERMISSION_DENIED"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--tokens", "none"], "cannot read 'none': No such file or directory"),
        (["--tls-certificate", "none.pem", "--tls-key", "x"], "cannot read 'none.pem': No such file"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_workers_too(good_repository, capfd, options, text):
    command = ["serve", str(good_repository), "--port", "0", "--metrics-port", "off", "--workers", "2"]
    assert main([*command, *options]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"plainserve serve: {text}")
