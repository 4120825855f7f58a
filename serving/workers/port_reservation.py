"""Reserves a port that several worker processes share, so that no other process can listen on it.

With SO_REUSEPORT alone, any process of the same user could listen on the port too, and would silently get a part of
the connections. So the supervisor first checks that the port is free, and then keeps a socket bound to it, which
never listens, while workers come and go. Another server that checks the port, as each does here, is refused.
"""

import socket

from serving.transport import listen_address


def reserve(host: str, port: int) -> socket.socket:
    """Reserve a port.

    Returns:
        A socket that holds the port until it is closed; it never listens.

    Raises:
        AddressError: It cannot be listened on.
    """
    if port:
        listen_address.check(host, port)
    family, where = listen_address.resolved(host, port)
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(where)
        # Needed for bind, since connections of an earlier server may linger; left on, it would let other servers in.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        held.close()
        raise listen_address.refused(host, port, error) from error
    return held
