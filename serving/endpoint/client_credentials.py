"""The credentials of a client: TLS and bearer tokens.

Separate from :mod:`serving.client`, so that a health check does not import numpy.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import grpc

from serving import pem

HEADER: Final = "authorization"


class CredentialsError(ValueError):
    """A certificate or a token cannot be used; nothing was sent."""


def tls(
    ca: Path | str, *, certificate: Path | str | None = None, key: Path | str | None = None
) -> grpc.ChannelCredentials:
    """TLS for a client.

    Args:
        ca: The authority that has signed the server's certificate: a file in PEM. For servers with public
            certificates, use that of the system, such as ``/etc/ssl/certs/ca-certificates.crt``.
        certificate: The client's own certificate in PEM, for servers that ask for one.
        key: Its private key in PEM; goes with ``certificate``.

    Raises:
        CredentialsError: A file cannot be read or used, or only one of certificate and key is given.
    """
    if (certificate is None) != (key is None):
        raise CredentialsError("a client's certificate and its key need each other")
    try:
        authorities = pem.certificates(Path(ca))
        own = pem.pair(Path(certificate), Path(key)) if key and certificate else (None, None)
    except pem.PemError as error:
        raise CredentialsError(str(error)) from error
    return grpc.ssl_channel_credentials(authorities, private_key=own[1], certificate_chain=own[0])


def channel(
    address: str, credentials: grpc.ChannelCredentials | None, options: Sequence[tuple[str, Any]]
) -> grpc.Channel:
    """A blocking channel, with TLS or plain."""
    if credentials is None:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, credentials, options)


def named(server_name: str) -> list[tuple[str, str]]:
    """The channel option for the name in the server's certificate; none to use the name in the address."""
    return [("grpc.ssl_target_name_override", server_name)] if server_name else []


def bearer(token: str | None) -> tuple[tuple[str, str], ...]:
    """The metadata of each call that carries the bearer token.

    Args:
        token: The token; None to send none.

    Raises:
        CredentialsError: It cannot be sent in a header.
    """
    if token is None:
        return ()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CredentialsError("a token is made of ASCII letters, digits and signs, without blanks")
    return ((HEADER, f"Bearer {token}"),)
