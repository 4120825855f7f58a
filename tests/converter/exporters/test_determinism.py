"""The same model gives the same artefact in another process, under another hash seed, in another folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXPORT = """
import hashlib, sys
from pathlib import Path
import keras
from converter.artefacts.saved_model_hash import content_hash
from converter.exporters.target_formats import TARGETS
from converter.signature import Signature, TensorSpec

layers = keras.layers
for _ in range(int(sys.argv[2])):
    layers.Dense(1)(keras.Input((1,)))  # Keras's counters run on
keras.utils.set_random_seed(3)
image = keras.Input((8, 8, 2), name="image")
tokens = keras.Input((4,), dtype="int32", name="tokens")
h = layers.BatchNormalization(name="n")(layers.Conv2D(3, 3, name="c")(image))
h = layers.Flatten(name="f")(layers.MaxPooling2D(2, name="m")(layers.Activation("softsign", name="s")(h)))
e = layers.LSTM(3, unroll=True, activation="softsign", name="l")(layers.Embedding(10, 4, name="e")(tokens))
h = layers.Rescaling(2.0, name="r")(layers.Dense(6, name="d")(layers.Concatenate(name="k")([h, e])))
a = layers.Activation("sigmoid", name="a")(h)
model = keras.Model([tokens, image], [layers.Dense(3, activation="softmax", name="y")(a), a], name="digits")
signature = Signature(
    (TensorSpec("tokens", (None, 4), "int32"), TensorSpec("image", (None, 8, 8, 2), "float32")),
    (TensorSpec("y", (None, 3), "float32"), TensorSpec("a", (None, 6), "float32")),
)
for target in TARGETS.values():
    path = Path(sys.argv[1], target.artefact_name("digits"))
    target.export(model, signature, path, {"tool": "test", "numbers": [1, 2.5]})
    digest = content_hash(path) if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
    print(target.name, digest)

# Loops, which TFLite does not have: an operator, and Scans of a step under a mask.
steps = keras.Input((None, 4), name="steps")
h = layers.GRU(4, return_sequences=True, return_state=True)(layers.LSTM(4, return_sequences=True)(steps))[0]
h = layers.Bidirectional(layers.GRU(3, return_sequences=True, activation="softsign"))(layers.Masking()(h))
recurrent = keras.Model([steps], [layers.LSTM(2, name="z")(h)], name="recurrent")
signature = Signature(
    (TensorSpec("steps", (None, None, 4), "float32"),), (TensorSpec("z", (None, 2), "float32"),)
)
path = Path(sys.argv[1], "recurrent.onnx")
TARGETS["onnx"].export(recurrent, signature, path, {})
print("recurrent", hashlib.sha256(path.read_bytes()).hexdigest())
"""
ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_two_processes_export_the_same_bytes(tmp_path):
    processes = []
    for seed in (1, 2):
        folder = tmp_path / f"folder{'x' * seed}"
        folder.mkdir()
        environment = {
            **os.environ,
            "PYTHONHASHSEED": str(seed),
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(folder),
        }
        command = [sys.executable, "-c", EXPORT, str(folder), str(seed * 3)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, env=environment, **pipes))
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    first, second = (stdout.splitlines() for stdout, _ in results)
    assert len(first) == 5
    assert first == second
