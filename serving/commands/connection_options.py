"""The options of commands that call a server: its address, TLS and the bearer token."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from serving.commands.error_line import in_one_line
from serving.endpoint.server_address import PORT, target

if TYPE_CHECKING:
    import grpc

TOKEN: Final = "PLAINSERVE_TOKEN"  # noqa: S105  the name of a variable
"""The environment variable for a token."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options for the address and for TLS."""
    parser.add_argument(
        "--server",
        type=_server,
        default=f"127.0.0.1:{PORT}",
        metavar="HOST[:PORT]",
        help="address of the server (default: %(default)s)",
    )
    parser.add_argument(
        "--tls-ca",
        type=Path,
        metavar="FILE",
        help="connect with TLS; the authority that signed the server's certificate, in PEM",
    )
    parser.add_argument(
        "--tls-name",
        default="",
        metavar="NAME",
        help="name in the server's certificate, if it differs from --server",
    )
    parser.add_argument(
        "--tls-certificate",
        type=Path,
        metavar="FILE",
        help="client certificate in PEM, for servers that ask for one",
    )
    parser.add_argument(
        "--tls-key", type=Path, metavar="FILE", help="private key of --tls-certificate in PEM"
    )


def _server(text: str) -> str:
    try:
        return target(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(in_one_line(str(error))) from None


def add_token_option(parser: argparse.ArgumentParser) -> None:
    """Declare the option for the token."""
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help=f"file with the bearer token (default: ${TOKEN})"
    )


def credentials(options: argparse.Namespace) -> "grpc.ChannelCredentials | None":
    """TLS as the options say; None for a plain connection.

    Raises:
        CredentialsError: A file cannot be read, or options lack others.
    """
    from serving.endpoint.client_credentials import CredentialsError, tls  # noqa: PLC0415  --help is fast

    if options.tls_ca is None:
        if options.tls_certificate or options.tls_key or options.tls_name:
            raise CredentialsError("--tls-certificate, --tls-key and --tls-name need --tls-ca")
        return None
    return tls(options.tls_ca, certificate=options.tls_certificate, key=options.tls_key)


def token(options: argparse.Namespace) -> str | None:
    """The token in the file, or in the environment; None for none.

    Raises:
        CredentialsError: The file cannot be read, or holds something else than a token.
    """
    from serving.endpoint.client_credentials import CredentialsError, bearer  # noqa: PLC0415  --help is fast

    if options.token_file is None:
        return os.environ.get(TOKEN, "").strip() or None
    try:
        text: str = options.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CredentialsError(f"cannot read '{options.token_file}': {reason}") from error
    try:
        bearer(text)
    except CredentialsError as error:
        raise CredentialsError(f"'{options.token_file}' holds more than a token: {error}") from error
    return text
