"""The address and the options of the gRPC channel of a client."""

from typing import Any, Final

from serving.client.errors import AddressError
from serving.endpoint.client_credentials import named
from serving.endpoint.server_address import target

OPTIONS: Final[list[tuple[str, Any]]] = [
    # A tensor may be of any size; grpcio limits answers to 4 MiB by default.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # With the default pause of a second before a channel reconnects, every attempt in that second would fail.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5000),
]


def channel_options(server_name: str = "") -> list[tuple[str, Any]]:
    """The options of a channel.

    Args:
        server_name: The name in the server's certificate; empty for that in the address.
    """
    return [*OPTIONS, *named(server_name)]


def check_address(address: str) -> str:
    """The gRPC target of an address; see :func:`serving.endpoint.server_address.target`.

    Raises:
        AddressError: It is a web address, or names no host or no port.
    """
    try:
        return target(address)
    except ValueError as error:
        raise AddressError(str(error)) from error
