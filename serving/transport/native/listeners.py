"""The sockets that the native transport listens on."""

import socket

from serving.transport.listen_address import refused

BACKLOG = 1024
"""Connections that wait to be accepted; the system may allow fewer."""


def listeners(host: str, port: int, *, shared: bool) -> list[socket.socket]:
    """Listen on all addresses of a host, on one port.

    Args:
        host: An address or a name.
        port: The port; 0 to have one chosen.
        shared: Whether other processes listen on the same port.

    Raises:
        AddressError: The first of the addresses cannot be listened on.
    """
    found: list[socket.socket] = []
    try:
        for family, *_, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            chosen = found[0].getsockname()[1] if found else port
            try:
                found.append(_listener(family, (address[0], chosen, *address[2:]), shared=shared))
            except OSError:
                # A name may have an address of a family that this machine does not speak.
                if not found:
                    raise
    except OSError as error:
        raise refused(host, port, error) from error
    return found


def _listener(family: int, address: tuple[object, ...], *, shared: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)  # noqa: FBT003  positional
        # Connections of an earlier server may linger.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and address[0] == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
