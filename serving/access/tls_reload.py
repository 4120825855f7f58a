"""TLS: the server's certificate, and the authority whose clients are let in. Read again when the files change."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from serving import pem
from serving.access.watched_files import WatchedFiles, warn_if_public
from serving.errors import CredentialsError


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
    try:
        certificate, key = pem.pair(files.certificate, files.key)
        authorities = pem.certificates(files.client_ca) if files.client_ca else None
    except pem.PemError as error:
        raise CredentialsError(str(error)) from error
    warn_if_public(files.key, "private key")
    return grpc.ssl_server_certificate_configuration([(key, certificate)], authorities)
