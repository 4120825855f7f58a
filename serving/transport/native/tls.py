"""TLS of the native transport, by Python's ssl module."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from serving.transport.tls import TlsIdentity, TlsSource


class TlsConnections:
    """Makes what a new connection needs to speak TLS.

    Args:
        source: Gives the identity; asked for each connection.
    """

    def __init__(self, source: TlsSource) -> None:
        self._source = source
        self._identity: TlsIdentity | None = None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._current()

    def make(self) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
        """An object that encrypts and decrypts, and the bytes that it takes and gives."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        return self._current().wrap_bio(incoming, outgoing, server_side=True), incoming, outgoing

    def _current(self) -> ssl.SSLContext:
        identity = self._source.current()
        if identity is not self._identity:
            self._context = _context(identity)
            self._identity = identity
        return self._context


def _context(identity: TlsIdentity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    with _as_file(identity.certificate) as certificate, _as_file(identity.key) as key:
        context.load_cert_chain(certificate, key)
    if identity.client_ca is not None:
        context.load_verify_locations(cadata=identity.client_ca.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A file in memory: OpenSSL reads certificates and keys from files only, and a key belongs on no disk."""
    fd = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(content)
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)
