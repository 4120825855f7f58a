"""A model of Triton's Python backend: Triton gives it the requests of a batch, which it runs as one."""

import os
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)  # the Python that Triton embeds ignores it

import numpy as np  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402

from benchmarks.peers.session import open_session  # noqa: E402


class TritonPythonModel:
    """Triton creates one for each model of its repository."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the session; Triton calls this first."""
        folder = Path(args["model_repository"])  # Triton's folder of this model
        self._session = open_session(Path((folder / "repository.txt").read_text()), args["model_name"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests of one batch."""
        rows = [triton.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        together = rows[0] if len(rows) == 1 else np.concatenate(rows)
        found = self._session.run(None, {"x": together})[0]
        ends = np.cumsum([len(each) for each in rows])[:-1]
        return [
            triton.InferenceResponse(output_tensors=[triton.Tensor("y", part)])
            for part in np.split(found, ends)
        ]
