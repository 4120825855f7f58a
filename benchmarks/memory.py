"""Measures the memory that each model adds to a server: ``python -m benchmarks.memory ARTEFACT...``.

Each artefact, ``model.onnx`` or ``model.tflite``, is served once and then many times under different names. The
difference, divided by the number of models, is the cost of one more. Memory is the resident set of the process once
it serves; by then it has run every model, because the server runs each model before it serves it.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COPIES = 40
MEGABYTE = 1e6


def main(artefacts: list[Path]) -> None:
    """Print a row for each artefact."""
    print("| artefact | MB on disk | server with one, MB | each further one, MB |")
    print("|---|---|---|---|")
    for artefact in artefacts:
        one, many = (resident(artefact, copies) for copies in (1, COPIES))
        size, each = artefact.stat().st_size / MEGABYTE, (many - one) / (COPIES - 1)
        print(f"| {artefact.name} | {size:.2f} | {one:.0f} | {each:.2f} |")


def resident(artefact: Path, copies: int) -> float:
    """Resident memory, in megabytes, of a server with that many copies."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(copies):
            version = Path(folder, f"model_{number}", "1")
            version.mkdir(parents=True)
            shutil.copy(artefact, version / f"model{artefact.suffix}")
        command = [sys.executable, "-m", "serving", "serve", folder, "--port", "0", "--metrics-port", "off"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                said = server.stdout.readline() if server.stdout else ""
                if not said.startswith(f"Serving {copies} model"):
                    sys.exit(f"the server did not load {artefact}: {said}")
                status = Path(f"/proc/{server.pid}/status").read_text()
            finally:
                server.kill()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) * 1024 / MEGABYTE if found else 0.0


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
