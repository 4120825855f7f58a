"""How the port is guarded: TLS, tokens, both, or neither."""

import grpc

from serving.access.tls_reload import server_credentials
from serving.access.token_check import TokenCheck
from serving.access.token_file import Tokens
from serving.errors import CredentialsError
from serving.metrics.call_counts import CallCounts
from serving.server.options import ServerOptions
from serving.transport.listen_address import is_loopback


class Door:
    """What was decided about certificates and tokens, read and found good.

    Args:
        options: What was decided.

    Raises:
        CredentialsError: Certificates or tokens cannot be used, or tokens would be sent for all to read.
    """

    def __init__(self, options: ServerOptions) -> None:
        if options.tokens and not (options.tls or options.allow_plain_tokens or is_loopback(options.host)):
            raise CredentialsError(
                f"tokens sent to {options.host} without encryption could be read on their way and used by others; "
                "add --tls-certificate and --tls-key, or --allow-plain-tokens if something in front decrypts"
            )
        self._credentials = server_credentials(options.tls) if options.tls else None
        self._tokens = Tokens(options.tokens) if options.tokens else None

    def checks(self, counts: CallCounts) -> list[TokenCheck]:
        """What stands before every method; nothing where no tokens are asked for.

        Args:
            counts: Told of the calls that are turned away.
        """
        return [TokenCheck(self._tokens, counts)] if self._tokens else []

    def listen(self, server: grpc.aio.Server, address: str) -> int:
        """Have a server listen.

        Returns:
            The port.

        Raises:
            RuntimeError: It cannot.
        """
        if self._credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, self._credentials)
