"""Parses the address of a server and makes a gRPC target of it.

Separate from :mod:`serving.client`, so that a health check does not import numpy.
"""

import ipaddress
import re
from typing import Final

PORT: Final = 8001
"""The default port of ``plainserve serve``; that of gRPC is 443."""

SCHEMES: Final = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "vsock:", "xds:")
"""Schemes that gRPC resolves by itself; such an address is used as it is."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PARTS = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL)


def target(address: str) -> str:
    """A gRPC target.

    Args:
        address: ``host``, ``host:port``, an IPv6 address with or without brackets, or another form that gRPC
            resolves, such as ``unix:/run/plainserve.sock``.

    Returns:
        The address, with the default port if it has none.

    Raises:
        ValueError: It is a web address, or names no host or no port; the text says what to write.
    """
    if address.startswith(SCHEMES) and not address.isspace():
        return address
    if scheme := _SCHEME.match(address):
        rest = address[scheme.end() :].partition("/")[0] or f"HOST:{PORT}"
        raise ValueError(f"'{address}' is not a gRPC address; write '{rest}'")
    if _is_ipv6(address):
        return f"[{address}]:{PORT}"
    parts = _PARTS.fullmatch(address)
    host, port = (parts["host"], parts["port"]) if parts else ("", None)
    if not _is_host(host):
        raise ValueError(f"'{address}' names no host; write 'HOST:PORT', such as 'localhost:{PORT}'")
    if port is None:
        return f"{host}:{PORT}"
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise ValueError(f"'{address}' has no port from 1 to 65535; write '{host}:{PORT}', or the right port")
    return address


def _is_host(host: str) -> bool:
    if host.startswith("["):
        return _is_ipv6(host[1:-1])
    return bool(host) and host.isprintable() and not set(host) & set(" /?#@\\,'\"")


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
