"""The table of runtimes in docs/parity.md: the largest error of each model in each runtime."""

import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from runtime_models import MODELS, case
from runtimes import RUNTIMES

BEGIN, END = "<!-- runtimes: begin -->", "<!-- runtimes: end -->"

_INTRODUCTION = """## Runtimes

Written by `python tests/parity/write_page.py --runtimes`; each number is a test case of
`tests/parity/test_runtimes.py`: the largest absolute error of a model's answers, against what the author of an
example recorded or what Keras answers. All stay within 1e-5. The recurrent models are ONNX's LSTM, GRU and RNN where
their activations are the default ones, a Scan elsewhere; their TFLite is unrolled.

- **onnxruntime** with all its optimisations, and **unoptimised**: with none.
- **OpenVINO** computing in float32; told nothing, it takes 16 bits where the processor has them.
- **tract** told all sizes, the batch among them: its LSTM and its Scan want them.
- **LiteRT** with XNNPACK, its default, and with its own kernels only.
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
