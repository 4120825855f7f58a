"""The table of runtimes in docs/parity.md: the largest error of each model in each runtime."""

import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from runtime_models import MODELS, case
from runtimes import RUNTIMES

BEGIN, END = "<!-- runtimes: begin -->", "<!-- runtimes: end -->"

_INTRODUCTION = """## Runtimes

Each number is the largest absolute error of a model's outputs in one runtime, compared with what the author
of an example recorded or with what Keras computes. All errors are below 1e-5. Each is a test case of
`tests/parity/test_runtimes.py`. To measure only this table again, run
`python tests/parity/write_page.py --runtimes`.

In ONNX, a recurrent model uses the operators LSTM, GRU and RNN if its activations are the default ones, and
Scan otherwise. In TFLite it is unrolled.

- **onnxruntime** uses all its optimisations, **unoptimised** none.
- **OpenVINO** is set to compute in float32. By default it uses 16 bits where the processor supports them.
- **tract** is given all sizes, including the batch, because its LSTM and its Scan need them.
- **LiteRT** uses XNNPACK, its default; **without XNNPACK** uses only LiteRT's own kernels.
"""


def section() -> str:
    """Measure, and write the section with its markers."""
    packages = dict.fromkeys(runtime.package for runtime in RUNTIMES.values())
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    lines = [f"| model | {' | '.join(RUNTIMES)} |", f"|---{'|---:' * len(RUNTIMES)}|", *map(_line, MODELS)]
    return "\n".join([BEGIN, "", _INTRODUCTION, f"With {versions}.", "", *lines, "", END])


def replaced(page: str, new: str) -> str:
    """The page with another section of runtimes.

    Raises:
        ValueError: It has none.
    """
    before, found, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError("the page has no section of runtimes")
    return before + new + after


def _line(name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        its = case(name, Path(folder))
        errors = []
        for runtime in RUNTIMES.values():
            answers = runtime.run(its.artefacts[runtime.target], its.inputs)
            wanted = its.expected[runtime.target].items()
            errors.append(max(np.abs(answers[name] - expected).max() for name, expected in wanted))
    return f"| {name} | {' | '.join(f'{error:.1e}' for error in errors)} |"
