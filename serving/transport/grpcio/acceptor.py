"""Accepts calls from grpcio's core, in place of grpcio's own loop, which a single malformed request could end.

That loop decodes the path of every call as UTF-8 outside of any error handling: a request whose path is not UTF-8
ends it, and grpcio then closes the port and every connection. Anybody who can connect can send such a request. Here
the core itself routes each call to the queue of its path, for the paths that were registered. A call of any other
path is UNIMPLEMENTED, and its path is never decoded.

This also takes less work for each call: grpcio's loop waits for all its queues anew after each one.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # grpcio ships no types for it

UNKNOWN = "/"
"""Stands for every path that was not registered. No handler has it."""


def server(
    options: Sequence[tuple[str, int]], interceptors: Sequence[grpc.aio.ServerInterceptor] = ()
) -> grpc.aio.Server:
    """Make a server as :func:`grpc.aio.server` does, with the :class:`Acceptor` of this module.

    Args:
        options: Its channel arguments.
        interceptors: Interceptors, called for every call.
    """
    original = cygrpc.AioServer
    # grpcio has no option for the class that accepts the calls.
    cygrpc.AioServer = Acceptor
    try:
        return grpc.aio.server(options=options, interceptors=interceptors)
    finally:
        cygrpc.AioServer = original


def register(made: grpc.aio.Server, paths: Iterable[str], handlers: grpc.GenericRpcHandler) -> None:
    """Accept calls of these paths.

    Args:
        made: A server of :func:`server`, before it starts.
        paths: The paths, ``/service/method``.
        handlers: Gives the handler of each call.
    """
    made.add_generic_rpc_handlers((handlers,))
    _acceptor(made).register(paths)


def watch(made: grpc.aio.Server, lost: Callable[[], None]) -> None:
    """Set what is called when the server can accept no more calls although it was not stopped.

    grpcio then closes the port.

    Args:
        made: A server of :func:`server`.
        lost: The callback.
    """
    _acceptor(made).lost = lost


class Acceptor(cygrpc.AioServer):  # type: ignore[misc]  # grpcio ships no types for it
    """The part of grpcio's server that accepts calls. Its methods are called by grpcio.

    Attributes:
        lost: Called when grpcio stops accepting calls although the server was not stopped.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pool: object,
        handlers: Sequence[grpc.GenericRpcHandler],
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        *more: object,
    ) -> None:
        self._events = loop
        self._generic: list[grpc.GenericRpcHandler] = []
        self._registered: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self._paths: set[str] = set()
        self._checks = tuple(interceptors or ())
        self._calls: set[asyncio.Task[None]] = set()
        self.lost: Callable[[], None] = lambda: None
        super().__init__(loop, pool, handlers, interceptors, *more)

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Add handlers for registered paths."""
        self._generic.extend(handlers)

    def add_registered_method_handlers(
        self, handlers: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]
    ) -> None:
        """Add handlers, and register their paths."""
        self._registered.update(handlers)
        self.register(handlers)

    def register(self, paths: Iterable[str]) -> None:
        """Accept calls of these paths."""
        new = dict.fromkeys(path for path in paths if path not in self._paths)
        self._paths |= new.keys()
        super().add_registered_method_handlers(new)

    async def _server_main_loop(self, started: "asyncio.Future[bool]") -> None:
        """Accept calls until the server stops."""
        try:
            await super()._server_main_loop(started)
        except Exception:
            # grpcio reports this only to wait_for_termination(), after the last call; a stream may never end.
            if self.is_running():
                self.lost()
            raise

    def _make_request_call_future(self, path: bytes | None) -> "asyncio.Task[None]":
        """Accept calls of one path, or of all paths that were not registered, until the server stops."""
        return self._events.create_task(self._accept(path))

    async def _accept(self, path: bytes | None) -> None:
        name = UNKNOWN if path is None else path.decode()
        resolver = cygrpc._MethodResolver(self._generic, self._registered)  # noqa: SLF001  as in grpcio's own loop
        while True:
            # Raises when the server stops, which ends this task.
            state = await (self._request_call() if path is None else self._request_registered_call(path))
            call = cygrpc._handle_rpc(name, resolver, self._checks, state, self._events, False)  # noqa: FBT003, SLF001  likewise
            task = self._events.create_task(
                cygrpc._schedule_rpc_coro(_cancelled_if_lost(call), state, self._events, name)  # noqa: SLF001  likewise
            )
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)


async def _cancelled_if_lost(call: Coroutine[Any, Any, None]) -> None:
    """Answer a call; treat it as cancelled if its connection was lost.

    A connection can be lost while an answer is written, before grpcio notices. grpcio would log a traceback.
    """
    try:
        await call
    except cygrpc.ExecuteBatchError as error:
        raise asyncio.CancelledError from error


def _acceptor(made: grpc.aio.Server) -> Acceptor:
    found: Acceptor = made._server  # type: ignore[attr-defined]  # noqa: SLF001  grpcio has no public name for it
    return found
