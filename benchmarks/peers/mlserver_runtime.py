"""A runtime of MLServer for a model with one input and one output."""

from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.peers.session import open_session


class OnnxRuntime(MLModel):
    """MLServer creates one for each model; the model's settings name it."""

    async def load(self) -> bool:
        """Open the session."""
        self._session = open_session(Path(self.settings.parameters.uri), self.name)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a request, or several that MLServer has put together."""
        rows = NumpyCodec.decode_input(payload.inputs[0])
        found = self._session.run(None, {"x": rows})[0]
        return InferenceResponse(
            model_name=self.name, id=payload.id, outputs=[NumpyCodec.encode_output("y", found)]
        )
