"""What a transport needs to speak TLS. Where it comes from is for others to know."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """Certificates and a key, all of them in PEM.

    Attributes:
        certificate: The server's certificate, followed by those between it and its authority.
        key: Its private key.
        client_ca: Who must have signed a client's certificate; None to ask for none.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes | None


class TlsSource(Protocol):
    """Gives the identity for new connections. Connections keep the one that they began with."""

    def current(self) -> TlsIdentity:
        """The identity as of now; the same object as long as nothing changed. Called from any thread."""
