"""How the port is secured: TLS, tokens, both, or neither."""

from pathlib import Path

from serving.access.tls_reload import ReloadedTls, TlsFiles
from serving.access.token_check import TokenCheck
from serving.access.token_file import Tokens
from serving.errors import CredentialsError
from serving.transport.listen_address import is_loopback


class EndpointSecurity:
    """Certificates and tokens, read and checked.

    Args:
        host: The address that the server listens on.
        tls: Where certificates lie; None to speak without encryption.
        tokens: Where tokens lie; None to ask for none.
        allow_plain_tokens: Whether tokens may come unencrypted from other hosts.

    Attributes:
        tls: The certificates.
        token_check: Checks the tokens of calls.

    Raises:
        CredentialsError: Certificates or tokens cannot be used, or tokens would be sent for all to read.
    """

    def __init__(
        self, host: str, tls: TlsFiles | None, tokens: Path | None, *, allow_plain_tokens: bool = False
    ) -> None:
        if tokens and not (tls or allow_plain_tokens or is_loopback(host)):
            raise CredentialsError(
                f"tokens sent to {host} without encryption could be read on their way and used by others; "
                "add --tls-certificate and --tls-key, or --allow-plain-tokens if something in front decrypts"
            )
        self.tls = ReloadedTls(tls) if tls else None
        self.token_check = TokenCheck(Tokens(tokens)) if tokens else None
