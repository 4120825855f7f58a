"""TLS and mutual TLS against real servers, with our client, tritonclient and bare gRPC."""

import datetime as dt
import shutil
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from patience import PATIENCE, until

from serving.access.tls_reload import TlsFiles, TlsReloader
from serving.cli import main
from serving.client import Client, tls
from serving.client.errors import UnavailableError
from serving.endpoint.client_credentials import CredentialsError as ClientCredentialsError
from serving.errors import CredentialsError
from serving.server.options import ServerOptions
from serving.transport.grpcio.channel_arguments import channel_arguments

pytestmark = pytest.mark.slow

X = np.zeros((1, 3), np.float32)


def refused(call):
    """The error of a call that was not answered for want of a connection."""
    with pytest.raises(grpc.RpcError) as error:
        call()
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    return error.value.details()


@pytest.fixture(scope="module")
def tls_server(start_module_server, good_repository, certificates, tls_options):
    return start_module_server(good_repository, *tls_options(certificates.server))


@pytest.fixture(scope="module")
def mutual_server(start_module_server, good_repository, certificates, tls_options):
    options = tls_options(certificates.server, certificates.ca)
    return start_module_server(good_repository, *options)


def test_our_client_is_answered_over_tls(tls_server, certificates):
    with Client(tls_server.address, credentials=tls(certificates.ca)) as client:
        assert client.infer("affine", X)["y"].tolist() == [[1, 1, 1]]


def test_who_does_not_speak_tls_leaves_nothing_on_the_terminal(
    start_server, good_repository, certificates, tls_options
):
    server = start_server(good_repository, *tls_options(certificates.server))
    with Client(server.address, timeout=2) as client, pytest.raises(UnavailableError):
        client.infer("affine", X)
    server.terminate()
    assert server.wait() == (0, "", "")


def test_tritonclient_is_answered_over_tls(tls_server, certificates):
    with triton.InferenceServerClient(
        tls_server.address, ssl=True, root_certificates=str(certificates.ca)
    ) as client:
        x = triton.InferInput("x", [1, 3], "FP32")
        x.set_data_from_numpy(X)
        assert client.infer("affine", [x]).as_numpy("y").tolist() == [[1, 1, 1]]


def test_a_client_that_trusts_another_authority_does_not_connect(tls_server, certificates):
    with (
        Client(tls_server.address, credentials=tls(certificates.other_ca), timeout=PATIENCE) as client,
        pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.infer("affine", X)


def test_a_client_without_tls_is_not_answered(tls_server, ask_affine):
    assert refused(lambda: ask_affine(tls_server.address))


def test_a_client_that_expects_another_name_does_not_connect(tls_server, certificates):
    credentials = tls(certificates.ca)
    with (
        Client(
            tls_server.address, credentials=credentials, server_name="models.example", timeout=PATIENCE
        ) as client,
        pytest.raises(UnavailableError),
    ):
        client.metadata("affine")


def test_a_server_whose_certificate_has_expired_is_not_believed(
    start_server, good_repository, certificates, tls_options, ask_affine
):
    server = start_server(good_repository, *tls_options(certificates.expired_server))
    assert "has expired" in refused(lambda: ask_affine(server.address, tls(certificates.ca)))


def test_with_a_client_authority_a_client_with_its_certificate_is_answered(
    mutual_server, certificates, ask_affine
):
    certificate, key = certificates.client
    assert ask_affine(mutual_server.address, tls(certificates.ca, certificate=certificate, key=key))
    with triton.InferenceServerClient(
        mutual_server.address,
        ssl=True,
        root_certificates=str(certificates.ca),
        certificate_chain=str(certificate),
        private_key=str(key),
    ) as client:
        assert client.is_server_ready()


@pytest.mark.parametrize("which", [None, "false_client", "expired_client"])
def test_with_a_client_authority_nobody_else_is_answered(mutual_server, certificates, ask_affine, which):
    certificate, key = getattr(certificates, which) if which else (None, None)
    credentials = tls(certificates.ca, certificate=certificate, key=key)
    refused(lambda: ask_affine(mutual_server.address, credentials))


@pytest.fixture
def copied(tmp_path, certificates):
    """A pair of files that may be written to."""
    return tuple(shutil.copy(path, tmp_path / f"own{path.suffix}") for path in certificates.server)


def replace(pair, others):
    """As careful owners do: each file is whole at any time."""
    for path, other in zip(pair, others, strict=True):
        staged = path.with_suffix(".new")
        shutil.copy(other, staged)
        staged.rename(path)


def connects(address, ca):
    with Client(address, credentials=tls(ca), timeout=PATIENCE) as client:
        return client.is_live()


def test_a_replaced_certificate_is_shown_to_new_connections_and_old_ones_go_on(
    start_server, good_repository, certificates, tls_options, copied
):
    server = start_server(good_repository, *tls_options(copied))
    renewed = certificates.pair("renewed", certificates.stranger.issue_cert("127.0.0.1"))
    with Client(server.address, credentials=tls(certificates.ca)) as before:
        assert before.is_live()
        assert not connects(server.address, certificates.other_ca)
        replace(copied, renewed)
        until(lambda: connects(server.address, certificates.other_ca))
        assert not connects(server.address, certificates.ca)
        assert before.is_live()


def test_a_replacement_that_is_no_pair_is_told_once_and_the_old_one_stays(
    start_server, good_repository, certificates, tls_options, copied
):
    server = start_server(good_repository, *tls_options(copied))
    time.sleep(1.1)  # until the files are looked at again
    replace(copied, (certificates.client[0], certificates.server[1]))
    for _ in range(3):
        assert connects(server.address, certificates.ca)
    time.sleep(1.1)
    assert connects(server.address, certificates.ca)
    server.terminate()
    _, _, err = server.wait()
    (line,) = [line for line in err.splitlines() if "does not belong" in line]
    assert line.startswith("ERROR: a change is not used, what was there before stays in force: the key in ")


def test_a_working_pair_is_accepted_as_it_is(certificates):
    assert TlsReloader(TlsFiles(*certificates.server, certificates.ca))


@pytest.mark.parametrize(("mode", "warnings"), [(0o644, 1), (0o600, 0)])
def test_a_key_that_everyone_can_read_is_warned_of(copied, caplog, mode, warnings):
    copied[1].chmod(mode)
    TlsReloader(TlsFiles(*copied))
    assert [each.getMessage().count("the private key in") for each in caplog.records] == [1] * warnings


def test_connections_end_some_day_where_certificates_of_clients_are_looked_at(certificates):
    for client_ca, limited in ((None, False), (certificates.ca, True)):
        options = ServerOptions(Path(), tls=TlsFiles(*certificates.server, client_ca))
        names = dict(channel_arguments(options.limits, shared=False))
        assert ("grpc.max_connection_age_ms" in names) == limited
    assert "grpc.max_connection_age_ms" not in dict(
        channel_arguments(ServerOptions(Path()).limits, shared=False)
    )


@pytest.mark.parametrize(
    ("certificate", "key", "client_ca", "text"),
    [
        ("none.pem", "server.key", None, "cannot read '.*none.pem': No such file"),
        ("server.pem", "none.key", None, "cannot read '.*none.key': No such file"),
        ("server.pem", "server.key", "none.pem", "cannot read '.*none.pem': No such file"),
        ("server.pem", "client.key", None, "the key in '.*client.key' does not belong to .*server.pem'"),
        ("server.pem", "rsa.key", None, "the key in '.*rsa.key' does not belong to"),
        ("rsa.pem", "server.key", None, "the key in '.*server.key' does not belong to"),
        ("server.key", "server.key", None, "'.*server.key' holds no certificate in PEM"),
        ("junk", "server.key", None, "'.*junk' holds no certificate in PEM"),
        ("empty", "server.key", None, "'.*empty' holds no certificate in PEM"),
        ("server.pem", "server.pem", None, "'.*server.pem' holds no private key"),
        ("server.pem", "junk", None, "'.*junk' holds no private key"),
        ("server.pem", "locked.key", None, "'.*locked.key' holds no private key in PEM without a password"),
        ("server.pem", "server.key", "junk", "'.*junk' holds no certificate in PEM"),
        ("folder", "server.key", None, "cannot read '.*folder': Is a directory"),
    ],
)
def test_what_cannot_be_used_at_the_start_is_named(certificates, tmp_path, certificate, key, client_ca, text):
    for path in certificates.folder.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "junk").write_bytes(b"\xff\x00junk\n")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    private = serialization.load_pem_private_key((tmp_path / "server.key").read_bytes(), None)
    (tmp_path / "locked.key").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    paths = [tmp_path / each if each else None for each in (certificate, key, client_ca)]
    with pytest.raises(CredentialsError, match=text):
        TlsReloader(TlsFiles(*paths))


def test_a_certificate_that_is_too_weak_is_refused_with_the_reason(tmp_path):
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  weak on purpose
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    signed = made.sign(key, hashes.SHA256())
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "weak.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "weak.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    with pytest.raises(CredentialsError, match=r"weak.key' cannot be used: ee key too small"):
        TlsReloader(TlsFiles(tmp_path / "weak.pem", tmp_path / "weak.key"))


def test_a_client_is_told_what_it_cannot_use_before_anything_is_sent(certificates, tmp_path):
    (tmp_path / "junk").write_text("junk")
    certificate, key = certificates.client
    with pytest.raises(ClientCredentialsError, match="junk' holds no certificate"):
        tls(tmp_path / "junk")
    with pytest.raises(ClientCredentialsError, match="does not belong to the certificate"):
        tls(certificates.ca, certificate=certificate, key=certificates.server[1])
    with pytest.raises(ClientCredentialsError, match="need each other"):
        tls(certificates.ca, certificate=certificate)
    assert tls(str(certificates.ca), certificate=str(certificate), key=str(key))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--tls-certificate", "x"], "--tls-certificate and --tls-key need each other"),
        (["--tls-key", "x"], "--tls-certificate and --tls-key need each other"),
        (["--tls-client-ca", "x"], "--tls-client-ca needs --tls-certificate and --tls-key"),
        (
            ["--tls-certificate", "x.pem", "--tls-key", "x.key"],
            "cannot read 'x.pem': No such file or directory",
        ),
        (["--tokens", "x"], "cannot read 'x': No such file or directory"),
    ],
)
def test_options_that_cannot_be_followed_are_one_line_and_exit_code_2(good_repository, capsys, options, text):
    assert main(["serve", str(good_repository), "--port", "0", "--metrics-port", "off", *options]) == 2
    assert capsys.readouterr() == ("", f"plainserve serve: {text}\n")


def test_the_commands_speak_tls(mutual_server, certificates, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("PLAINSERVE_TOKEN", raising=False)
    row = tmp_path / "x.csv"
    row.write_text("1,2,3\n")
    certificate, key = map(str, certificates.client)
    ca = ["--server", mutual_server.address, "--tls-ca", str(certificates.ca)]
    own = [*ca, "--tls-certificate", certificate, "--tls-key", key]
    assert main(["health", *own]) == 0
    assert main(["health", *own, "--tls-name", "localhost"]) == 0
    assert main(["health", *own, "--tls-name", "elsewhere"]) == 1
    assert main(["health", *ca]) == 1
    assert main(["predict", "affine", "--input", str(row), *own]) == 0
    assert main(["predict", "affine", "--input", str(row), *own, "--benchmark", "0.1"]) == 0
    capsys.readouterr()
    assert main(["predict", "affine", "--input", str(row), *ca, "--tls-key", key]) == 2
    assert (
        capsys.readouterr().err == "plainserve predict: a client's certificate and its key need each other\n"
    )
    assert main(["health", "--tls-name", "localhost"]) == 2
    assert "need --tls-ca" in capsys.readouterr().err
    assert main(["health", "--tls-ca", str(tmp_path / "none")]) == 2
    assert "cannot read" in capsys.readouterr().err
