import os
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

from serving.errors import ModelLoadError
from serving.runtimes import ARTEFACTS

ROOT = Path(__file__).parents[3]

EXPORT = """
import sys
import tensorflow as tf
class Affine(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def serve(self, x):
        return {"y": 2.0 * x + 1.0}
module = Affine()
tf.saved_model.save(module, sys.argv[1], signatures={"serving_default": module.serve})
"""

SERVE = """
import sys
from pathlib import Path
import numpy as np
from serving.repository.repository import Repository
repository = Repository(Path(sys.argv[1]))
repository.load_all()
for name in ("triton", "tensorflow_serving"):
    runtime = repository.get(name).runtime
    print(runtime.inputs[0], runtime.outputs[0].name)
    for rows in (1, 3):
        print(runtime.infer({"x": np.full((rows, 3), 2, np.float32)}, ["y"])[0].tolist())
"""


@pytest.mark.slow
def test_a_saved_model_is_served_from_either_layout(repository):
    subprocess.run(
        [sys.executable, "-c", EXPORT, repository.version("triton") / "model.savedmodel"],
        check=True,
        timeout=PATIENCE,
    )
    (repository.root / "tensorflow_serving").mkdir()
    exported = repository.root / "triton" / "1" / "model.savedmodel"
    (repository.root / "tensorflow_serving" / "00000001").symlink_to(exported)
    quieted = {"TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES"}  # by conftest.py, and not where people serve
    served = subprocess.run(
        [sys.executable, "-c", SERVE, repository.root],
        check=True,
        timeout=PATIENCE,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in quieted},
        capture_output=True,
        text=True,
    )
    once = [
        "TensorSpec(name='x', datatype='FP32', shape=(-1, 3)) y",
        str([[5.0, 5.0, 5.0]]),
        str([[5.0, 5.0, 5.0]] * 3),
    ]
    assert served.stdout.splitlines() == once * 2
    assert "cuInit" not in served.stderr


def test_without_tensorflow_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelLoadError, match=r"pip install plainserve\[saved-model\]"):
        ARTEFACTS["model.savedmodel"](tmp_path)
