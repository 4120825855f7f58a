"""A model server of KServe: ``python -m benchmarks.peers.kserve_server REPOSITORY GRPC_PORT HTTP_PORT MODEL...``."""

import logging
import sys
from pathlib import Path

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

from benchmarks.peers.session import open_session


class OnnxModel(Model):
    """A model with one input and one output."""

    def __init__(self, repository: Path, name: str) -> None:
        super().__init__(name)
        self._session = open_session(repository, name)
        self.ready = True

    async def predict(
        self,
        payload: InferRequest,
        headers: dict[str, str] | None = None,  # noqa: ARG002  KServe passes it
        response_headers: dict[str, str] | None = None,  # noqa: ARG002  likewise
    ) -> InferResponse:
        """Answer a request."""
        found: np.ndarray = self._session.run(None, {"x": payload.inputs[0].as_numpy()})[0]
        output = InferOutput("y", list(found.shape), "FP32")
        output.set_data_from_numpy(found, binary_data=True)
        return InferResponse(payload.id or "", self.name, [output])


def main(repository: str, grpc_port: str, http_port: str, *names: str) -> None:
    """Serve until the process is ended."""
    server = ModelServer(
        grpc_port=int(grpc_port), http_port=int(http_port), workers=1, enable_latency_logging=False
    )
    logging.getLogger("kserve").setLevel(logging.WARNING)  # otherwise a line for each request
    server.start([OnnxModel(Path(repository), name) for name in names])


if __name__ == "__main__":
    main(*sys.argv[1:])
