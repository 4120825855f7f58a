"""A Ray Serve application behind its gRPC proxy.

python -m benchmarks.peers.ray_server REPOSITORY GRPC_PORT HTTP_PORT FOLDER MODEL..., with FOLDER for Ray's files.
"""

import signal
import sys
import threading
from pathlib import Path

import numpy as np
import ray
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation, gRPCOptions

from benchmarks.peers.session import open_session
from protos import open_inference_pb2 as pb

MOST_REQUESTS = 256
"""Requests in progress in the replica, above those of any workload."""

OBJECT_STORE = 100_000_000


@serve.deployment(num_replicas=1, max_ongoing_requests=MOST_REQUESTS)
class Models:
    """The replica."""

    def __init__(self, repository: str, names: list[str]) -> None:
        self._sessions = {name: open_session(Path(repository), name) for name in names}

    async def ModelInfer(self, request: pb.ModelInferRequest) -> pb.ModelInferResponse:  # noqa: N802  the method's name
        """Answer a request."""
        rows = np.frombuffer(request.raw_input_contents[0], np.float32).reshape(request.inputs[0].shape)
        found = self._sessions[request.model_name].run(None, {"x": rows})[0]
        answer = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
        answer.outputs.add(name="y", datatype="FP32", shape=found.shape)
        answer.raw_output_contents.append(found.tobytes())
        return answer


def main(repository: str, grpc_port: str, http_port: str, folder: str, *names: str) -> None:
    """Serve until the process is ended."""
    ray.init(
        include_dashboard=False,
        object_store_memory=OBJECT_STORE,
        log_to_driver=False,
        _temp_dir=folder,
        _node_ip_address="127.0.0.1",
    )
    serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(host="127.0.0.1", port=int(http_port)),
        grpc_options=gRPCOptions(
            port=int(grpc_port),
            grpc_servicer_functions=[
                "protos.open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server"
            ],
        ),
    )
    serve.run(Models.bind(repository, list(names)))
    print(f"listening on 127.0.0.1:{grpc_port}", flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
