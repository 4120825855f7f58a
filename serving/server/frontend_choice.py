"""Chooses the front end: the native one where it can be used, grpcio elsewhere, unless the owner insists on one."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from serving.errors import FrontEndError
from serving.server.options import FrontEnd
from serving.transport.limits import Limits
from serving.transport.native.availability import availability
from serving.transport.tls import TlsSource
from serving.transport.transport import Transport

log = logging.getLogger(__name__)


class TransportMaker(Protocol):
    """Makes a transport; the classes of transports are such."""

    def __call__(self, limits: Limits, tls: TlsSource | None, *, shared: bool) -> Transport:
        """A transport for one port; see :class:`~serving.transport.grpcio.transport.GrpcioTransport`."""


def choose(wanted: FrontEnd) -> FrontEnd:
    """Choose ``NATIVE`` or ``GRPCIO``.

    Raises:
        FrontEndError: ``NATIVE`` is wanted and cannot be used.
    """
    if wanted is FrontEnd.GRPCIO:
        return wanted
    reason = availability()
    if reason is None:
        return FrontEnd.NATIVE
    if wanted is FrontEnd.NATIVE:
        raise FrontEndError(f"the native front end cannot be used: {reason}; or serve with --frontend grpcio")
    log.info("the grpcio front end serves, because the native one cannot be used: %s", reason)
    return FrontEnd.GRPCIO


def transport(frontend: FrontEnd) -> TransportMaker:
    """The class of the transport; only the one that is chosen is imported.

    Raises:
        FrontEndError: ``NATIVE`` is wanted and cannot be used.
    """
    if choose(frontend) is FrontEnd.NATIVE:
        from serving.transport.native.transport import NativeTransport  # noqa: PLC0415  see above

        return NativeTransport
    from serving.transport.grpcio.transport import GrpcioTransport  # noqa: PLC0415  likewise

    return GrpcioTransport


def loop_factory(frontend: FrontEnd) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop for a front end that was chosen; None for asyncio's own.

    The native front end and asyncio wait for input and output together, in one call.
    """
    if frontend is FrontEnd.NATIVE:
        from serving.transport.native.loop import FrontEndLoop  # noqa: PLC0415  see above

        return FrontEndLoop
    return None
