"""Certificates, tokens and ways to call a server with them."""

import datetime as dt
from pathlib import Path

import grpc
import pytest
import trustme
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

INFERENCE = "inference-token-of-the-web-shop-1"
ADMINISTRATION = "administration-token-of-the-owner"


class Certificates:
    """An authority, what it signed for a server and for clients, and another authority that nobody trusts."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.authority, self.stranger = trustme.CA(), trustme.CA()
        self.ca = self._file("ca.pem", self.authority.cert_pem.bytes())
        self.other_ca = self._file("other_ca.pem", self.stranger.cert_pem.bytes())
        self.server = self.pair("server", self.authority.issue_cert("localhost", "127.0.0.1"))
        self.client = self.pair("client", self.authority.issue_cert("client@example.org"))
        self.false_client = self.pair("false", self.stranger.issue_cert("client@example.org"))
        self.pair("rsa", self.authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA))
        past = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
        expired = {"not_before": past - dt.timedelta(days=2), "not_after": past}
        self.expired_client = self.pair("late", self.authority.issue_cert("client@example.org", **expired))
        self.expired_server = self.pair("late_server", self.authority.issue_cert("127.0.0.1", **expired))

    def pair(self, name, issued):
        """Write a certificate and its key; their paths, in this order."""
        chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
        return (
            self._file(f"{name}.pem", chain),
            self._file(f"{name}.key", issued.private_key_pem.bytes()),
        )

    def _file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Nobody writes to these."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


def serve_with(pair, client_ca=None):
    options = ["--tls-certificate", str(pair[0]), "--tls-key", str(pair[1])]
    return [*options, "--tls-client-ca", str(client_ca)] if client_ca else options


@pytest.fixture(scope="session")
def tls_options():
    """What ``serve`` is told to speak TLS."""
    return serve_with


@pytest.fixture
def tokens_file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# who may do what\n\ninference {INFERENCE}\nadministration\t{ADMINISTRATION} \r\n")
    path.chmod(0o600)
    return path


def affine(address, credentials=None, token=None):
    """Ask the model ``affine`` once, over a connection of its own; its answer's bytes."""
    metadata = [("authorization", f"Bearer {token}")] if token else None
    with (
        grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
    ) as channel:
        request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(12)])
        request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
        stub = GRPCInferenceServiceStub(channel)
        return stub.ModelInfer(request, timeout=PATIENCE, metadata=metadata).raw_output_contents[0]


@pytest.fixture(scope="session")
def ask_affine():
    return affine


@pytest.fixture(scope="session")
def good_repository(tmp_path_factory, onnx_models):
    """One model, ``affine``. Nobody writes to it."""
    root = tmp_path_factory.mktemp("good")
    (root / "affine" / "1").mkdir(parents=True)
    (root / "affine" / "1" / "model.onnx").write_bytes(onnx_models.affine())
    return root
