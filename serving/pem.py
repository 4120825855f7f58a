"""Certificates and keys in PEM, held against each other before gRPC gets them, which tells nobody what is wrong."""

import ssl
from pathlib import Path

MISMATCH = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
"""What OpenSSL says of a key and a certificate that are no pair; the last if they are of different kinds."""


class PemError(ValueError):
    """A file is missing, unreadable or not what it should be; the text names it."""


def certificates(path: Path) -> bytes:
    """The content of a file of certificates.

    Raises:
        PemError: It cannot be read, or holds none.
    """
    content = _read(path)
    try:
        _context().load_verify_locations(cadata=content.decode("ascii", "backslashreplace"))
    except (ssl.SSLError, ValueError) as error:
        raise PemError(f"'{path}' holds no certificate in PEM") from error
    return content


def pair(certificate: Path, key: Path) -> tuple[bytes, bytes]:
    """The content of a certificate's file and of its key's.

    Raises:
        PemError: One cannot be read or is no such thing, or they are no pair.
    """
    contents = certificates(certificate), _read(key)
    try:
        # An empty password: OpenSSL would ask the terminal for one.
        _context().load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise PemError(_unfit(certificate, key, error.reason)) from error
    except OSError as error:
        raise PemError(f"cannot read '{certificate}' and '{key}' together") from error
    return contents


def _unfit(certificate: Path, key: Path, reason: str | None) -> str:
    if reason is None:
        return f"'{key}' holds no private key in PEM without a password"
    if reason in MISMATCH:
        return f"the key in '{key}' does not belong to the certificate in '{certificate}'"
    return f"'{certificate}' with '{key}' cannot be used: {reason.lower().replace('_', ' ')}"


def _context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PemError(f"cannot read '{path}': {error.strerror}") from error
