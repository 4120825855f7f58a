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

Written by `make parity`; each row is a test case of `tests/parity/test_architectures.py`. The architectures
stand in `tests/parity/architectures.py`: those of `keras.applications` at 32 x 32 x 3 and ten classes, their
activations replaced by a user's unregistered class or Lambda, with seeded random weights; a U-Net, a
transformer encoder, and bidirectional LSTMs over a masked Embedding, unrolled and with a free number of steps.

An artefact is compared with Keras running the original on several distributions of inputs (normal, uniform,
large, sparse, zero; for words also padded rows), at batch sizes 1, 7 and 32, and on samples such as the model
takes in practice.

- **max, mean**: absolute error of the answers, which are probabilities.
- **top-1**: share of rows with the same most probable class.
- **before softmax**: largest absolute error of what goes into the softmax, and the error that is **allowed**
  there: the absolute tolerance times the largest value.
- **float32**: how far the original itself, computed by Keras in float32, lies from the same model computed in
  float64, before the softmax. What an artefact adds is to be seen against it.
- **seconds**: to export, check and prove, on the machine that wrote this page.
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
        "The tolerance is the default, |d| <= 1e-5 or |d| <= 1e-4 |reference|. Where float32 costs the original "
        "more than a quarter of that, the absolute tolerance is four times what it costs."
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
