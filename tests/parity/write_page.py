"""Runs every row of the parity tables and writes docs/parity.md from what was measured.

    python tests/parity/write_page.py [--resume | --runtimes]

With ``--runtimes`` the architectures stay as the page has them, and its table of runtimes is written anew.
Rows are kept one by one in a temporary folder, so a run that was stopped goes on with ``--resume``. The page is
written only if every row is there and passed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from architectures import ARCHITECTURES
from row import Row
from runtimes_page import replaced, section
from users_activations import ACTIVATIONS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "parity.md"
TESTS = "tests/parity/test_architectures.py"
ROWS = Path(tempfile.gettempdir(), "plainserve-parity")
TOOLS = ("keras", "tensorflow", "tf2onnx", "onnxruntime", "ai-edge-litert")

_INTRODUCTION = """# Parity

This page shows how far each artefact is from its original, for models of real architectures in each format
and runtime. Read it to see what accuracy to expect. The page is generated: run `make parity` to measure
everything again.

## Architectures

Each row is a test case of `tests/parity/test_architectures.py`. The models are defined in
`tests/parity/architectures.py`, with seeded random weights:

- models of `keras.applications`, for images of 32 x 32 x 3 and ten classes, their activations replaced by a
  user's unregistered class or Lambda;
- a U-Net and a transformer encoder;
- bidirectional LSTMs over a masked Embedding, unrolled (`bilstm`) and with a free number of steps.

Each artefact is compared with Keras running the original. The inputs come from several distributions (normal,
uniform, large, sparse, zero; for words also padded rows), at batch sizes 1, 7 and 32. Samples such as the
model receives in practice are also used.

- **operators**: number of operators in the artefact.
- **max, mean**: absolute error of the outputs, which are probabilities.
- **top-1**: share of rows with the same most probable class.
- **before softmax**: largest absolute error of the input of the last softmax. The **allowed** error there is
  the absolute tolerance times the largest value.
- **float32**: error of the original itself, before the softmax: Keras in float32 compared with the same model
  in float64. Compare the error of an artefact with this one.
- **seconds**: time to export, check and prove, on the machine that wrote this page.
"""
_COLUMNS = (
    "architecture", "activation", "format", "parameters", "operators",
    "max", "mean", "top-1", "before softmax", "allowed", "float32", "seconds",
)  # fmt: skip


def main() -> int:
    """Measure what is missing; write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--resume", action="store_true", help="keep the rows of an earlier run")
    parser.add_argument("--runtimes", action="store_true", help="write the table of runtimes only")
    arguments = parser.parse_args()
    if arguments.runtimes:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), section()), encoding="utf-8")
        return 0
    return _all(resume=arguments.resume)


def _all(*, resume: bool) -> int:
    ROWS.mkdir(exist_ok=True)
    if not resume:
        for path in ROWS.glob("*.json"):
            path.unlink()
    missing = [name for name in _names() if not (ROWS / f"{name}.json").exists()]
    if missing:
        tests = [f"{TESTS}::test_artefact_answers_as_the_original[{name}]" for name in missing]
        environment = {**os.environ, "PLAINSERVE_PARITY_ROWS": str(ROWS)}
        command = [sys.executable, "-m", "pytest", "-m", "", "-q", *tests]
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if status:
            return status
    PAGE.write_text(_page([Row.read(ROWS / f"{name}.json") for name in _names()]), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} has {len(_names())} rows\n")
    return 0


def _names() -> list[str]:
    return [
        f"{name}-{activation}-{target}"
        for name, architecture in ARCHITECTURES.items()
        for activation in ACTIVATIONS
        for target in architecture.targets
    ]


def _page(rows: list[Row]) -> str:
    tools = ", ".join(f"{tool} {version(tool)}" for tool in TOOLS)
    tolerance = (
        "The tolerance is the default, |d| <= 1e-5 or |d| <= 1e-4 |reference|. If the float32 error of the\n"
        "original is more than a quarter of that, the absolute tolerance is four times the float32 error."
    )
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        f"|{'|'.join(['---'] * 3 + ['---:'] * (len(_COLUMNS) - 3))}|",
        *map(_line, rows),
    ]
    architectures = [tolerance, "", f"{len(rows)} rows, with {tools}.", "", *lines, ""]
    return "\n".join([_INTRODUCTION, *architectures, section(), ""])


def _line(row: Row) -> str:
    numbers = [f"{row.max_absolute:.1e}", f"{row.mean_absolute:.1e}", f"{row.top1:.2%}"]
    before = [f"{row.before_softmax:.1e}", f"{row.allowed:.1e}", f"{row.float32:.1e}"]
    cells = [row.architecture, row.activation, row.target, f"{row.parameters:,}", str(row.operators)]
    return f"| {' | '.join([*cells, *numbers, *before, f'{row.seconds:.0f}'])} |"


if __name__ == "__main__":
    raise SystemExit(main())
