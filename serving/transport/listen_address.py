"""Whether an address can be listened on, asked of the system before a library tries: it gives the reason."""

import ipaddress
import socket

from serving.errors import AddressError


def resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    """The family and the address to bind to.

    Raises:
        AddressError: There is no such host.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise refused(host, port, error) from error
    return found[0][0], found[0][4]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address. Of a name other than localhost that is not known."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check(host: str, port: int) -> None:
    """Make sure that an address can be listened on.

    Raises:
        AddressError: It cannot.
    """
    family, address = resolved(host, port)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        raise refused(host, port, error) from error


def refused(host: str, port: int, error: OSError) -> AddressError:
    """The error to tell of an address that cannot be listened on."""
    return AddressError(
        f"cannot listen on {host}:{port}: {error.strerror}; choose another with --host and --port"
    )
