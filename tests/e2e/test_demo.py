"""What ``make demo`` runs, run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_demo_converts_proves_serves_and_calls_every_example():
    demo = Path(__file__).with_name("demo.py")
    done = subprocess.run([sys.executable, demo], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    converted, _, called = done.stdout.partition("Serve and call")
    for target in ("onnx", "tflite", "saved_model"):
        assert len(re.findall(rf"\b{target}\b", converted)) == 6
    assert re.search(r"Serving 18 models \((native|grpcio) front end\) on ", called)
    assert called.count("98.33%") == 2 * 3
    assert "every accuracy is that of the original" in called
    difference = re.search(r"largest difference on the wire: (\S+)", called)
    assert difference is not None
    # Probabilities of float32 models: the parity tolerance of 1e-5 holds on the wire too.
    assert 0 < float(difference[1]) < 1e-5
