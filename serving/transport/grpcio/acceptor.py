"""Takes calls off grpcio's core, in place of grpcio's own loop, which one byte could end.

That loop reads the path of every call as UTF-8, outside of everything that catches errors: a request whose path is no
text ends it, and grpcio then closes the port and every connection. Anybody who can connect can send that. Here the
core itself leads each call to the queue of its path, for the paths that were announced; whatever comes by another is
UNIMPLEMENTED, and its path is never read.

It takes calls with less work too: grpcio's loop waits for all its queues anew after each call.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # grpcio ships no types for it

UNKNOWN = "/"
"""Stands for every path that was not announced; no handler has it."""


def server(
    options: Sequence[tuple[str, int]], interceptors: Sequence[grpc.aio.ServerInterceptor] = ()
) -> grpc.aio.Server:
    """A server like :func:`grpc.aio.server`'s that takes calls as this module says.

    Args:
        options: Its channel arguments.
        interceptors: See every call first.
    """
    original = cygrpc.AioServer
    # grpcio has no other way to say which class takes the calls.
    cygrpc.AioServer = Acceptor
    try:
        return grpc.aio.server(options=options, interceptors=interceptors)
    finally:
        cygrpc.AioServer = original


def announce(made: grpc.aio.Server, paths: Iterable[str], handlers: grpc.GenericRpcHandler) -> None:
    """Take calls by these paths.

    Args:
        made: A server of :func:`server`, before it starts.
        paths: The paths, ``/service/method``.
        handlers: Says, call by call, what handles a path.
    """
    made.add_generic_rpc_handlers((handlers,))
    _acceptor(made).announce(paths)


def watch(made: grpc.aio.Server, lost: Callable[[], None]) -> None:
    """Tell when no more calls can be taken although nobody stopped the server; grpcio then closes its port.

    Args:
        made: A server of :func:`server`.
        lost: Told.
    """
    _acceptor(made).lost = lost


class Acceptor(cygrpc.AioServer):  # type: ignore[misc]  # grpcio ships no types for it
    """The part of grpcio's server that takes calls. grpcio calls all of its methods.

    Attributes:
        lost: Called when grpcio gives up taking calls and was not told to.
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
        self._announced: set[str] = set()
        self._checks = tuple(interceptors or ())
        self._calls: set[asyncio.Task[None]] = set()
        self.lost: Callable[[], None] = lambda: None
        super().__init__(loop, pool, handlers, interceptors, *more)

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Ask these, too, what handles a path that was announced."""
        self._generic.extend(handlers)

    def add_registered_method_handlers(
        self, handlers: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]
    ) -> None:
        """Take calls by the paths of these."""
        self._registered.update(handlers)
        self.announce(handlers)

    def announce(self, paths: Iterable[str]) -> None:
        """Take calls by these paths; what was added says what handles them."""
        new = dict.fromkeys(path for path in paths if path not in self._announced)
        self._announced |= new.keys()
        super().add_registered_method_handlers(new)

    async def _server_main_loop(self, started: "asyncio.Future[bool]") -> None:
        """Take calls until the server stops."""
        try:
            await super()._server_main_loop(started)
        except Exception:
            # grpcio would tell whoever waits for its end, and only after the last call; a stream may never end.
            if self.is_running():
                self.lost()
            raise

    def _make_request_call_future(self, path: bytes | None) -> "asyncio.Task[None]":
        """Take calls of one path, or of all that were not announced, until the server stops."""
        return self._events.create_task(self._accept(path))

    async def _accept(self, path: bytes | None) -> None:
        name = UNKNOWN if path is None else path.decode()
        resolver = cygrpc._MethodResolver(self._generic, self._registered)  # noqa: SLF001  grpcio's own loop has it so
        while True:
            # Fails when the server stops, which ends this.
            state = await (self._request_call() if path is None else self._request_registered_call(path))
            call = cygrpc._handle_rpc(name, resolver, self._checks, state, self._events, False)  # noqa: FBT003, SLF001  likewise
            task = self._events.create_task(
                cygrpc._schedule_rpc_coro(_of_client(call), state, self._events, name)  # noqa: SLF001  likewise
            )
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)


async def _of_client(call: Coroutine[Any, Any, None]) -> None:
    """Answer a call; if there is nobody any more to hand an answer to, the call was cancelled.

    A connection can be lost while an answer is handed to it, before grpcio knows that. grpcio would log a traceback.
    """
    try:
        await call
    except cygrpc.ExecuteBatchError as error:
        raise asyncio.CancelledError from error


def _acceptor(made: grpc.aio.Server) -> Acceptor:
    found: Acceptor = made._server  # type: ignore[attr-defined]  # noqa: SLF001  it has no other name
    return found
