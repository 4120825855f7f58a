"""Reads the server's certificate and the authority of client certificates, and reloads them when the files change."""

from dataclasses import dataclass
from pathlib import Path

from serving import pem
from serving.access.file_reloader import FileReloader, warn_if_world_readable
from serving.errors import CredentialsError
from serving.transport.tls import TlsIdentity


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of certificates, all of them in PEM.

    Attributes:
        certificate: The server's certificate, followed by the intermediate ones.
        key: Its private key, without a password.
        client_ca: The authorities that may have signed a client's certificate; None to require none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All the files."""
        return (self.certificate, self.key, *([self.client_ca] if self.client_ca else []))


class TlsReloader:
    """The TLS identity in some files; a :class:`~serving.transport.tls.TlsSource`.

    Args:
        files: The files.

    Raises:
        CredentialsError: A file is missing or unreadable, or key and certificate do not belong together.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = FileReloader(files.paths, lambda: _read(files))

    def current(self) -> TlsIdentity:
        """The current identity; the same object as long as no file has changed."""
        return self._files.current()


def _read(files: TlsFiles) -> TlsIdentity:
    try:
        certificate, key = pem.pair(files.certificate, files.key)
        authorities = pem.certificates(files.client_ca) if files.client_ca else None
    except pem.PemError as error:
        raise CredentialsError(str(error)) from error
    warn_if_world_readable(files.key, "private key")
    return TlsIdentity(certificate, key, authorities)
