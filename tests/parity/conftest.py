"""The models of the parity tables, each converted once to every format."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from row import Row, measure

from converter.conversion import Conversion
from converter.options import Options
from converter.pipeline import convert

TARGETS = ("onnx", "tflite", "saved_model", "keras")


@pytest.fixture(scope="session")
def converted(models, tmp_path_factory) -> Callable[[str], Conversion]:
    """Convert an example model, proved against its author's recorded answers as well."""
    done: dict[str, Conversion] = {}
    folder = tmp_path_factory.mktemp("artefacts")

    def of(name: str) -> Conversion:
        if name not in done:
            source = models / name
            samples = source.with_suffix(".npz")
            options = Options(TARGETS, output=folder, samples=samples, expected=samples)
            done[name] = convert(source, options, str.lower)
        return done[name]

    return of


@pytest.fixture(scope="session")
def recorded(models) -> Callable[[str], dict[str, np.ndarray]]:
    """What the author's own process recorded for an example model: inputs, outputs and labels."""

    def of(name: str) -> dict[str, np.ndarray]:
        with np.load(Path(models / name).with_suffix(".npz")) as file:
            return dict(file)

    return of


@pytest.fixture(scope="session")
def row_of(tmp_path_factory) -> Callable[[str, str, str], Row]:
    """Measure an architecture with an activation, in all formats at once; ``write_page.py`` collects the rows."""
    done: dict[tuple[str, str], dict[str, Row]] = {}
    page = os.environ.get("PLAINSERVE_PARITY_ROWS")

    def of(architecture: str, activation: str, target: str) -> Row:
        key = architecture, activation
        if key not in done:
            rows = measure(*key, tmp_path_factory.mktemp("-".join(key)))
            done[key] = {row.target: row for row in rows}
            for row in rows if page else []:
                row.write(Path(page))
        return done[key][target]

    return of
