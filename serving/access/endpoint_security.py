"""How the port is secured: TLS, tokens, both, or neither."""

from pathlib import Path

from serving.access.tls_reload import TlsFiles, TlsReloader
from serving.access.token_check import TokenCheck
from serving.access.token_file import TokenFile
from serving.errors import CredentialsError
from serving.transport.listen_address import is_loopback


class EndpointSecurity:
    """The certificates and tokens of a port, read and checked.

    Args:
        host: The address that the server listens on.
        tls: The files of certificates; None to serve without encryption.
        tokens: The file of tokens; None to require none.
        allow_plain_tokens: Whether tokens may come unencrypted from other hosts.

    Attributes:
        tls: The certificates; None to serve without encryption.
        token_check: Checks the tokens of calls; None to require none.

    Raises:
        CredentialsError: Certificates or tokens cannot be used, or tokens would be sent unencrypted.
    """

    def __init__(
        self, host: str, tls: TlsFiles | None, tokens: Path | None, *, allow_plain_tokens: bool = False
    ) -> None:
        if tokens and not (tls or allow_plain_tokens or is_loopback(host)):
            raise CredentialsError(
                f"tokens sent to {host} without encryption could be read on their way and used by others; "
                "add --tls-certificate and --tls-key, or --allow-plain-tokens if something in front decrypts"
            )
        self.tls = TlsReloader(tls) if tls else None
        self.token_check = TokenCheck(TokenFile(tokens)) if tokens else None
