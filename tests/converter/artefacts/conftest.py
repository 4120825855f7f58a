"""Small models of every kind, exported once each and opened."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

from converter.artefacts.contract import Artefact
from converter.artefacts.runtimes import open_artefact
from converter.exporters.target_formats import get_target
from converter.signature import Signature, TensorSpec

layers = keras.layers
PROVENANCE = {"source_sha256": "0" * 64, "rewrites": [{"layer": "pss", "alpha": 3.0}], "note": "ü"}


@dataclass(frozen=True)
class Exported:
    model: keras.Model
    signature: Signature
    artefact: Artefact

    def inputs(self, batch: int, seed: int = 0) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)

        def draw(spec: TensorSpec) -> np.ndarray:
            shape = (spec.shape[0] or batch, *(size or 5 for size in spec.shape[1:]))
            if spec.dtype.startswith("int"):
                return rng.integers(0, 10, shape).astype(spec.dtype)
            return rng.normal(size=shape).astype(spec.dtype)

        return {spec.name: draw(spec) for spec in self.signature.inputs}

    def reference(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = keras.tree.flatten(self.model(list(inputs.values()), training=False))
        names = [spec.name for spec in self.signature.outputs]
        return {n: keras.ops.convert_to_numpy(r) for n, r in zip(names, results, strict=True)}


def randomise(model: keras.Model) -> keras.Model:
    """Give biases, means and variances values that matter: by default they are 0 and 1."""
    rng = np.random.default_rng(7)
    for weight in model.weights:
        if weight.name in ("bias", "beta", "moving_mean"):
            weight.assign(rng.normal(size=weight.shape) * 0.3)
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 2.0, size=weight.shape))
    return model


def classifier() -> keras.Model:
    x = keras.Input((20,), name="pixels")
    h = layers.Rescaling(3.0)(layers.Dense(16)(x))
    h = layers.Rescaling(1.875)(layers.Activation("softsign")(h))
    return keras.Model([x], [layers.Dense(4, activation="softmax", name="probabilities")(h)])


def cnn() -> keras.Model:
    x = keras.Input((8, 8, 2), name="image")
    h = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x))
    h = layers.MaxPooling2D(2)(layers.Activation("softsign")(h))
    h = layers.AveragePooling2D(2)(layers.Activation("sigmoid")(layers.Conv2D(3, 3)(h)))
    h = layers.Flatten()(h)
    digit = layers.Dense(5)(h)
    return keras.Model([x], [layers.Softmax(name="digit")(digit), layers.Dense(1, name="parity")(h)])


def two_inputs() -> keras.Model:
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    values = keras.Input((3,), name="values")
    h = layers.GlobalAveragePooling1D()(layers.Embedding(10, 4)(tokens))
    h = layers.Concatenate()([layers.Activation("softsign")(values), h])
    return keras.Model([tokens, values], [layers.Dense(3, activation="softmax", name="kind")(h), h])


def half() -> keras.Model:
    keras.config.set_dtype_policy("float16")
    try:
        return classifier()
    finally:
        keras.config.set_dtype_policy("float32")


def static_batch() -> keras.Model:
    x = keras.Input(batch_shape=(4, 6), name="x")
    return keras.Model([x], [layers.Dense(2, name="y")(layers.Activation("softsign")(x))])


def free_steps() -> keras.Model:
    x = keras.Input((None, 3), name="steps")
    return keras.Model([x], [layers.Activation("softsign", name="y")(layers.Conv1D(2, 3, padding="same")(x))])


def nested() -> keras.Model:
    i = keras.Input((6,))
    inner = keras.Model(i, layers.Dense(3, activation="softmax")(i), name="inner")
    x = keras.Input((6,), name="x")
    return keras.Model([x], [inner(layers.Activation("softsign")(x))])


def recurrent() -> keras.Model:
    x = keras.Input((5, 3), name="x")
    return keras.Model([x], [layers.Dense(2, activation="softmax", name="y")(layers.LSTM(4)(x))])


CASES = (classifier, cnn, two_inputs, half, static_batch, free_steps, nested, recurrent)


@pytest.fixture(scope="package")
def exported(tmp_path_factory) -> Callable[[str, str], Exported]:
    builders = {case.__name__: case for case in CASES}
    models: dict[str, keras.Model] = {}
    done: dict[tuple[str, str], Any] = {}

    def get(case: str, target: str) -> Exported:
        if case not in models:
            keras.utils.set_random_seed(5)
            models[case] = randomise(builders[case]())
        if (case, target) not in done:
            model = models[case]
            signature = Signature(
                tuple(TensorSpec(t.name, tuple(t.shape), str(t.dtype)) for t in model.inputs),
                tuple(
                    TensorSpec(name, tuple(t.shape), str(t.dtype))
                    for name, t in zip(model.output_names, model.outputs, strict=True)
                ),
            )
            path = tmp_path_factory.mktemp(case) / get_target(target).artefact_name(case)
            get_target(target).export(model, signature, path, PROVENANCE)
            done[case, target] = Exported(model, signature, open_artefact(target, path))
        return done[case, target]

    return get
