"""Adds advice to the errors of gRPC when client and server do not agree on encryption.

Source: what grpcio 1.84 and 1.85 report; ``tests/serving/access/test_connection_advice.py`` holds it.
"""

from typing import Final

_CLOSED: Final = ("failed to connect to all addresses", "Socket closed")

_TLS: Final = (
    "the server closed the connection at once, as one does that wants TLS: give --tls-ca FILE "
    "(in Python: credentials=serving.client.tls(FILE))"
)
_CERTIFICATE: Final = (
    "the server ended the connection at once, as one does that wants a client's certificate: give "
    "--tls-certificate FILE and --tls-key FILE (in Python: tls(FILE, certificate=FILE, key=FILE))"
)
_PLAIN: Final = "the server answers without TLS: leave out --tls-ca (in Python: credentials=)"
_AUTHORITY: Final = (
    "give as --tls-ca the authority that signed the server's certificate (in Python: tls(FILE))"
)
_EXPIRED: Final = "the server's certificate has expired: whoever runs the server must renew it"
_NAME: Final = (
    "the server's certificate has another name than --server: give that as --tls-name NAME "
    "(in Python: server_name=NAME)"
)

ADVICE: Final = (
    (False, _CLOSED, _TLS),
    (True, _CLOSED, _CERTIFICATE),
    # The alert comes when the client takes the handshake for done.
    (True, ("failed to connect to all addresses", "TSI_DATA_CORRUPTED"), _CERTIFICATE),
    (True, ("WRONG_VERSION_NUMBER",), _PLAIN),
    (True, ("unable to get local issuer certificate",), _AUTHORITY),
    (True, ("certificate has expired",), _EXPIRED),
    (True, ("Hostname Verification Check failed",), _NAME),
)
"""Whether the client encrypts, what gRPC's error contains, and the advice."""


def advised(details: str, *, encrypted: bool) -> str:
    """The reason that gRPC gives for a failed connection, with advice if there is some.

    Args:
        details: The reason.
        encrypted: Whether the client uses TLS.
    """
    for ours, signs, advice in ADVICE:
        if ours is encrypted and all(sign in details for sign in signs):
            return f"{advice}; {details}"
    return details
