"""A minimal grpcio asyncio server that answers every unary call with the same message.

grpcio_server.py ANSWER [CERTIFICATE KEY], where ANSWER is a file with the message.
"""

import asyncio
import sys
from pathlib import Path

import grpc

OPTIONS = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]


class Constant(grpc.GenericRpcHandler):
    """The handler of every method."""

    def __init__(self, answer: bytes) -> None:
        async def infer(_data: bytes, _context: object) -> bytes:
            return answer

        self._handler = grpc.unary_unary_rpc_method_handler(infer)

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """The handler, whatever the method."""
        return self._handler


async def main(answer: bytes, *tls: bytes) -> None:
    """Serve until the process is ended."""
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((Constant(answer),))
    if tls:
        chain, key = tls
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


asyncio.run(main(*(Path(each).read_bytes() for each in sys.argv[1:])))
