"""The transport that grpcio provides."""

from collections.abc import Callable, Iterable, Mapping

import grpc

from serving.errors import AddressError
from serving.transport.grpcio import acceptor, listening_sockets
from serving.transport.grpcio.calls import Handler, handler, refusing
from serving.transport.grpcio.channel_arguments import channel_arguments
from serving.transport.grpcio.credentials import server_credentials
from serving.transport.limits import Limits
from serving.transport.listen_address import host_and_port
from serving.transport.tls import TlsSource
from serving.transport.transport import Admit, Method, Transport


class GrpcioTransport(Transport):
    """Connections and calls by grpcio's asyncio server.

    Args:
        limits: What clients may do.
        tls: Certificates; None to speak without encryption.
        shared: Whether other processes listen on the same port.
    """

    def __init__(self, limits: Limits, tls: TlsSource | None = None, *, shared: bool = False) -> None:
        super().__init__()
        self._server = acceptor.server(channel_arguments(limits, shared=shared))
        self._credentials = server_credentials(tls) if tls is not None else None
        self._port = 0

    def serve(
        self,
        methods: Mapping[str, Method],
        admit: Admit,
        known: Iterable[str] = (),
        admits_all: Callable[[], bool] = lambda: False,  # noqa: ARG002  asking costs little beside the rest
    ) -> None:
        """Say what answers calls."""
        acceptor.register(self._server, {*methods, *known}, _Handlers(methods, admit))
        acceptor.watch(self._server, self._no_more_calls)

    async def start(self, host: str, port: int) -> int:
        """Listen, and take calls."""
        address = host_and_port(host, port)
        try:
            if self._credentials is None:
                self._port = self._server.add_insecure_port(address)
            else:
                self._port = self._server.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            raise AddressError(f"cannot listen on {address}") from error
        await self._server.start()
        return self._port

    def stop_listening(self) -> None:
        """Take no more connections."""
        listening_sockets.stop_listening(self._port)

    async def goaway(self, seconds: float) -> None:
        """End our half of each connection, and wait until clients have ended theirs."""
        await self._until_left(lambda: listening_sockets.half_close_connections(self._port), seconds)

    async def close(self) -> None:
        """End all calls and connections."""
        await self._server.stop(None)

    def _no_more_calls(self) -> None:
        self.lost()


class _Handlers(grpc.GenericRpcHandler):
    """Leads each call to its handler, or to one that refuses it."""

    def __init__(self, methods: Mapping[str, Method], admit: Admit) -> None:
        self._handlers = {path: handler(method) for path, method in methods.items()}
        self._admit = admit

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The handler of a call; None if there is no such method."""
        path = handler_call_details.method
        refusal = self._admit(path, handler_call_details.invocation_metadata)
        return refusing(refusal) if refusal is not None else self._handlers.get(path)
