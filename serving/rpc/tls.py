"""TLS: the server's certificate, and the authority whose clients are let in. Read again when the files change."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from serving.errors import CredentialsError
from serving.rpc.watched_files import WatchedFiles, warn_if_public


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where certificates lie, all of them in PEM.

    Attributes:
        certificate: The server's, followed by those between it and its authority.
        key: Its private key, without a password.
        client_ca: Who must have signed a client's certificate; None to ask for none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.certificate, self.key, *([self.client_ca] if self.client_ca else []))


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """What a port needs to speak TLS. Connections keep the certificate they began with.

    Args:
        files: The certificates. When they change, connections from then on get the new ones.

    Raises:
        CredentialsError: A file is missing or unreadable, or key and certificate are no pair.
    """
    watched = WatchedFiles(files.paths, lambda: _read(files))
    return grpc.dynamic_ssl_server_credentials(
        watched.current(),
        _news(watched),  # type: ignore[arg-type]  # None is allowed, and means that nothing is new
        require_client_authentication=files.client_ca is not None,
    )


def _news(
    watched: WatchedFiles[grpc.ServerCertificateConfiguration],
) -> Callable[[], grpc.ServerCertificateConfiguration | None]:
    """What gRPC asks at each handshake: the certificates, or None if it has them already."""
    known = watched.current()

    def news() -> grpc.ServerCertificateConfiguration | None:
        nonlocal known
        current = watched.current()
        if current is known:
            return None
        known = current
        return current

    return news


def _read(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    certificate, key = _bytes(files.certificate), _bytes(files.key)
    _check_certificates(files.certificate, certificate)
    _check_pair(files)
    warn_if_public(files.key, "private key")
    authorities = None
    if files.client_ca is not None:
        authorities = _bytes(files.client_ca)
        _check_certificates(files.client_ca, authorities)
    return grpc.ssl_server_certificate_configuration([(key, certificate)], authorities)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"cannot read '{path}': {error.strerror}") from error


def _check_certificates(path: Path, content: bytes) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(
            cadata=content.decode("ascii", "backslashreplace")
        )
    except (ssl.SSLError, ValueError) as error:
        raise CredentialsError(f"'{path}' holds no certificate in PEM") from error


def _check_pair(files: TlsFiles) -> None:
    """Hold the key against the certificate: gRPC would notice too, but say nothing to anyone."""
    try:
        # An empty password: OpenSSL would ask the terminal for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"the key in '{files.key}' does not belong to the certificate in '{files.certificate}'"
            raise CredentialsError(text) from error
        raise CredentialsError(f"'{files.key}' holds no private key in PEM without a password") from error
    except OSError as error:
        raise CredentialsError(f"cannot read '{files.certificate}' and '{files.key}' together") from error
