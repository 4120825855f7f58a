"""Calls every model of a running server with tritonclient and compares the answers with recorded ones.

Usage: ``python call_server.py HOST:PORT REPOSITORY MODELS``. REPOSITORY is the folder that is served; its
models are called ``<stem>_<format>``. MODELS has ``<stem>.npz``, recorded when the original was trained.
"""

import re
import sys
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton

ATOL, RTOL = 1e-5, 1e-4  # the default tolerances of `convert` for float32
FORMAT = re.compile("_(onnx|tflite|saved_model)$")


def main(address: str, repository: str, folder: str) -> int:
    """Compare all models, one printed line each; 1 if one differs or there is none."""
    names = sorted(path.name for path in Path(repository).iterdir() if path.is_dir())
    with triton.InferenceServerClient(address) as client:
        equal = [agrees(client, name, Path(folder)) for name in names]
    if not names:
        sys.stdout.write(f"there is no model in {repository}\n")
    return 0 if names and all(equal) else 1


def agrees(client: triton.InferenceServerClient, name: str, folder: Path) -> bool:
    """Send a batch of recorded inputs; print the largest difference from the recorded outputs."""
    recorded = np.load(folder / f"{FORMAT.sub('', name)}.npz")
    metadata = client.get_model_metadata(name)
    inputs = []
    for described in metadata.inputs:
        values = recorded[described.name][:32]
        inputs.append(triton.InferInput(described.name, list(values.shape), described.datatype))
        inputs[-1].set_data_from_numpy(values)
    answer = client.infer(name, inputs)
    pairs = [(answer.as_numpy(output.name), recorded[output.name][:32]) for output in metadata.outputs]
    difference = max(float(np.max(np.abs(got - expected))) for got, expected in pairs)
    equal = all(np.allclose(got, expected, RTOL, ATOL) for got, expected in pairs)
    sys.stdout.write(f"  {name}: {'equal' if equal else 'NOT EQUAL'}, largest difference {difference:.2g}\n")
    return equal


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
