"""The server's certificate, and the authority whose clients are let in; read again when the files change."""

from dataclasses import dataclass
from pathlib import Path

from serving import pem
from serving.access.watched_files import WatchedFiles, warn_if_public
from serving.errors import CredentialsError
from serving.transport.tls import TlsIdentity


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


class ReloadedTls:
    """The identity that files give to the server, as of now.

    Args:
        files: The files.

    Raises:
        CredentialsError: A file is missing or unreadable, or key and certificate are no pair.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._watched = WatchedFiles(files.paths, lambda: _read(files))

    def current(self) -> TlsIdentity:
        """The identity as of now; the same object as long as no file changed."""
        return self._watched.current()


def _read(files: TlsFiles) -> TlsIdentity:
    try:
        certificate, key = pem.pair(files.certificate, files.key)
        authorities = pem.certificates(files.client_ca) if files.client_ca else None
    except pem.PemError as error:
        raise CredentialsError(str(error)) from error
    warn_if_public(files.key, "private key")
    return TlsIdentity(certificate, key, authorities)
