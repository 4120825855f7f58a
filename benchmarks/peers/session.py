"""The onnxruntime session that every peer runs, with the options that Plainserve uses."""

from pathlib import Path

import onnxruntime


def open_session(repository: Path, model: str) -> onnxruntime.InferenceSession:
    """A session for a model of a repository."""
    options = onnxruntime.SessionOptions()
    # An idle thread that spins takes the processor from the threads that read requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    path = repository / model / "1" / "model.onnx"
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
