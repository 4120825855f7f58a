"""Takes a port for several processes that share it, and for no others.

Any process of the same user could listen beside them if the port were merely shared, and would silently get a part
of the connections. So the port is first tried alone, and then held, without listening, as long as the workers
come and go: a server that tries it alone, as they all do here, is refused.
"""

import socket

from serving.transport import listen_address


def reserve(host: str, port: int) -> socket.socket:
    """Take a port.

    Returns:
        What holds it until it is closed; it never listens.

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
        # Needed to get past connections of an earlier server that linger; kept, it would let others in.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        held.close()
        raise listen_address.refused(host, port, error) from error
    return held
