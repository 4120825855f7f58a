"""A minimal grpcio asyncio server that answers ModelInfer with a constant: the upper bound for rpc.py."""

import asyncio
import sys

import grpc
import numpy as np

from protos import open_inference_pb2 as pb


async def main(size: int) -> None:
    """Serve until the process is ended."""
    message = pb.ModelInferResponse(
        model_name="small", model_version="1", raw_output_contents=[np.zeros((1, size), np.float32).tobytes()]
    )
    message.outputs.add(name="y", datatype="FP32", shape=[1, size])
    answer = message.SerializeToString()

    async def infer(_data: bytes, _context: object) -> bytes:
        return answer

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(infer)
    service = "inference.GRPCInferenceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"ModelInfer": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


asyncio.run(main(int(sys.argv[1])))
