"""Models as users write them, saved by Keras and read back by the converter."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from converter.archive import open_archive
from converter.building.model_builder import build
from converter.description import Description, InputShapes, describe
from converter.graph import Graph
from converter.lowering.lower import lower


@dataclass(frozen=True)
class Saved:
    """A model, its file, and what the converter makes of the file."""

    model: keras.Model
    path: Path
    description: Description

    @property
    def graph(self) -> Graph:
        return self.description.graph

    def inputs(self, batch: int = 3, seed: int = 0) -> list[np.ndarray]:
        """Random inputs by the model's own specification; a free size is 5, integers are below 6."""
        rng = np.random.default_rng(seed)
        made = []
        for tensor in self.model.inputs:
            shape = [batch, *(5 if size is None else size for size in tensor.shape[1:])]
            kind = np.dtype(tensor.dtype).kind
            made.append(rng.integers(0, 6, shape) if kind in "iu" else rng.normal(size=shape) * 2)
            made[-1] = made[-1].astype(tensor.dtype)
        return made

    def original(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """What Keras itself answers, by output; the keys of a dict are sorted, as the file has them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Keras warns where a mask ends
            keyed = isinstance(self.model, keras.src.models.Functional) and isinstance(self.model.input, dict)
            given = dict(zip(sorted(self.model.input), inputs, strict=True)) if keyed else inputs
            answers = self.model(given if len(inputs) > 1 or keyed else inputs[0], training=False)
        return [np.asarray(answer) for answer in keras.tree.flatten(answers)]


def run(graph: Graph, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What the model built from a graph answers."""
    return [np.asarray(answer) for answer in keras.tree.flatten(build(graph)(inputs, training=False))]


@pytest.fixture(scope="session")
def answers() -> Callable[[Graph, list[np.ndarray]], list[np.ndarray]]:
    return run


@pytest.fixture(scope="session")
def write() -> Callable[[keras.Model, Path], Path]:
    """Save a model without what Keras says about its own habits."""

    def save(model: keras.Model, path: Path) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save(path)
        return path

    return save


def randomise(model: keras.Model, seed: int) -> None:
    rng = np.random.default_rng(seed)
    statistics = [layer.weights for layer in model.layers if isinstance(layer, keras.layers.Normalization)]
    kept = {id(weight) for weights in statistics for weight in weights}
    for weight in model.weights:
        if id(weight) not in kept and weight.dtype.startswith("float"):
            signed = rng.uniform(-0.8, 0.8, weight.shape)
            weight.assign(signed if len(weight.shape) > 1 else rng.uniform(0.2, 0.9, weight.shape))


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> Callable[..., Saved]:
    """Save a model and read it back; both are done once for each model and format."""
    folder = tmp_path_factory.mktemp("saved")
    made: dict[tuple[str, str], Saved] = {}

    def save(name: str, make: Callable[[], keras.Model], suffix: str, **stated: Any) -> Saved:
        key = name, suffix
        if key not in made:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of lambdas, of the legacy format, of masks that end
                model = make()
                randomise(model, len(name))
                path = folder / f"{name}{suffix}"
                model.save(path)
            made[key] = Saved(model, path, read(path, **stated))
        return made[key]

    return save


def read(path: Path, **stated: str) -> Description:
    """Describe a file, with its weights in memory."""
    with open_archive(path) as archive:
        description = describe(archive, stated, InputShapes())
        layers = {
            name: layer.but(
                weights={key: type(weight).of(weight.read()) for key, weight in layer.weights.items()}
            )
            for name, layer in description.graph.layers.items()
        }
    return Description(description.graph.but(layers=layers), description.findings, description.inputs)


@pytest.fixture(scope="session")
def holds() -> Callable[[Saved], None]:
    """Check that the reference and the lowered model answer as the original does."""

    def check(case: Saved) -> None:
        inputs = case.inputs()
        expected = case.original(inputs)
        for graph in (case.graph, lower(case.graph).graph):
            for answer, wanted in zip(run(graph, inputs), expected, strict=True):
                assert answer.dtype == wanted.dtype
                exact = wanted.dtype == np.float32
                np.testing.assert_allclose(
                    answer.astype(np.float32),
                    wanted.astype(np.float32),
                    rtol=1e-5 if exact else 2e-2,
                    atol=1e-6 if exact else 2e-2,
                )

    return check
