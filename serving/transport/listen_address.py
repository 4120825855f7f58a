"""Checks that an address can be listened on, with the system's reason if not; grpcio does not give one."""

import ipaddress
import socket

from serving.errors import AddressError


def resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    """Resolve a host to the address family and the address to bind to.

    Raises:
        AddressError: There is no such host.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise refused(host, port, error) from error
    return found[0][0], found[0][4]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address. False for names other than localhost: they are not resolved."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_and_port(host: str, port: int) -> str:
    """An address as one text; an IPv6 address is put in brackets."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def check(host: str, port: int) -> None:
    """Check that an address can be listened on.

    Raises:
        AddressError: It cannot.
    """
    family, address = resolved(host, port)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise refused(host, port, error) from error


def refused(host: str, port: int, error: OSError) -> AddressError:
    """The error for an address that cannot be listened on."""
    return AddressError(
        f"cannot listen on {host}:{port}: {error.strerror}; choose another with --host and --port"
    )
