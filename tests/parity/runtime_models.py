"""The models of the table of runtimes: the examples, and small ones of the kinds on which runtimes differ."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from users_activations import ACTIVATIONS, CLASSES

from converter.options import Options
from converter.pipeline import convert

Arrays = dict[str, np.ndarray]

EXAMPLES = Path(__file__).parents[2] / "models"
ROWS = 7
_STEPS, _FEATURES, _WORDS = 6, 6, 40


@dataclass(frozen=True)
class Case:
    """A model in each format with what it is to answer.

    Attributes:
        artefacts: File by format.
        inputs: Some rows.
        expected: By format, what the author recorded for them, or what Keras answers.
    """

    artefacts: dict[str, Path]
    inputs: Arrays
    expected: dict[str, Arrays]


def _over_sequences(*made: Callable[..., layers.Layer]) -> Callable[[bool], keras.Model]:
    """Recurrent layers over sequences of numbers, one after the other."""

    def build(unroll: bool) -> keras.Model:  # noqa: FBT001
        x = keras.Input((_STEPS, _FEATURES), name="steps")
        y = x
        for number, make in enumerate(made):
            y = make(unroll=unroll, return_sequences=number < len(made) - 1)(y)
        return keras.Model(x, layers.Dense(3, activation="softmax", name="answer")(y))

    return build


def _masked(unroll: bool) -> keras.Model:  # noqa: FBT001
    tokens = keras.Input((_STEPS,), dtype="int32", name="tokens")
    y = layers.Embedding(_WORDS, 8, mask_zero=True)(tokens)
    ss = ACTIVATIONS["ss"].argument()
    with keras.utils.custom_object_scope(CLASSES):
        first = layers.LSTM(8, activation=ss, return_sequences=True, unroll=unroll)
        y = layers.Bidirectional(layers.GRU(6, unroll=unroll))(layers.Bidirectional(first)(y))
    return keras.Model(tokens, layers.Dense(3, activation="softmax", name="answer")(y))


def _cnn(_unroll: bool) -> keras.Model:  # noqa: FBT001
    image = keras.Input((12, 12, 3), name="image")
    y = layers.Conv2D(8, 3, padding="same", activation=ACTIVATIONS["rational_ss"].argument())(image)
    y = layers.MaxPooling2D()(layers.BatchNormalization()(y))
    y = ACTIVATIONS["pss"].layer("pss")(layers.SeparableConv2D(8, 3)(y))
    y = layers.GlobalAveragePooling2D()(ACTIVATIONS["ss"].layer("ss")(layers.Conv2D(8, 1)(y)))
    return keras.Model(image, layers.Dense(3, activation="softmax", name="answer")(y))


def _layer(kind: type[layers.Layer], **options: Any) -> Callable[..., layers.Layer]:
    return lambda **more: kind(12, **options, **more)


def _activated(kind: type[layers.Layer], argument: str, activation: str) -> Callable[..., layers.Layer]:
    return lambda **more: kind(12, **{argument: ACTIVATIONS[activation].argument()}, **more)


_BUILT: dict[str, Callable[[bool], keras.Model]] = {
    "LSTM": _over_sequences(_layer(layers.LSTM)),
    "GRU": _over_sequences(_layer(layers.GRU)),
    "GRU, reset before": _over_sequences(_layer(layers.GRU, reset_after=False)),
    "SimpleRNN": _over_sequences(_layer(layers.SimpleRNN)),
    "GRU, LSTM": _over_sequences(_layer(layers.GRU, go_backwards=True), _layer(layers.LSTM)),
    "LSTM of SS": _over_sequences(_activated(layers.LSTM, "activation", "ss")),
    "LSTM of PSS": _over_sequences(_activated(layers.LSTM, "recurrent_activation", "pss")),
    "GRU of RationalSS": _over_sequences(_activated(layers.GRU, "activation", "rational_ss")),
    "masked, both ways": _masked,
    "CNN": _cnn,
}
MODELS = (
    "mnist_pss.keras", "mnist_ss.keras", "mnist_ss_numpy.keras", "mnist_rational_ss.keras", "mnist_legacy.h5",
    "digits_cnn.keras", *_BUILT,
)  # fmt: skip
"""The rows of the table."""


def case(name: str, folder: Path) -> Case:
    """Convert a model to ONNX and TFLite."""
    return _built(_BUILT[name], folder) if name in _BUILT else _example(name, folder)


def _example(name: str, folder: Path) -> Case:
    artefacts = _converted(EXAMPLES / name, ("onnx", "tflite"), folder)
    with np.load((EXAMPLES / name).with_suffix(".npz")) as file:
        recorded = {key: array[:ROWS] for key, array in file.items() if not key.endswith("_label")}
    (first, *_) = recorded
    return Case(artefacts, {first: recorded.pop(first)}, dict.fromkeys(artefacts, recorded))


def _built(build: Callable[[bool], keras.Model], folder: Path) -> Case:
    """TFLite has no loops: its layers are unrolled.

    Each format has answers of its own: where Keras puts zeros at masked steps, as Bidirectional asks for, it takes
    the mask of an unrolled layer that goes backwards the wrong way round.
    """
    artefacts, expected = {}, {}
    for target in ("onnx", "tflite"):
        source = folder / f"{target}_source.keras"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of lambdas, numpy of Keras
            model = _drawn(build(target == "tflite"))
            model.save(source)
        artefacts |= _converted(source, (target,), folder)
        inputs = _inputs(model)
        expected[target] = {"answer": np.asarray(model(*inputs.values(), training=False))}
    return Case(artefacts, inputs, expected)


def _drawn(model: keras.Model) -> keras.Model:
    """The model with weights that depend on their order alone."""
    generator = np.random.default_rng(11)
    for weight in model.weights:
        positive = "variance" in weight.path
        weight.assign(
            generator.uniform(0.5, 1.5, weight.shape)
            if positive
            else generator.normal(0.0, 0.5, weight.shape)
        )
    return model


def _inputs(model: keras.Model) -> Arrays:
    """Some rows; words with padding at their end, at their beginning and between them."""
    generator = np.random.default_rng(12)
    (x,) = model.inputs
    shape = (ROWS, *x.shape[1:])
    if x.dtype != "int32":
        return {x.name: generator.normal(size=shape).astype(np.float32)}
    return {
        x.name: generator.integers(0, _WORDS, shape, np.int32) * generator.integers(0, 2, shape, np.int32)
    }


def _converted(source: Path, targets: tuple[str, ...], folder: Path) -> dict[str, Path]:
    outcomes = convert(source, Options(targets, output=folder, parity=False), str.lower).outcomes
    for outcome in outcomes:
        if outcome.error:
            raise outcome.error
    return {outcome.target: outcome.path for outcome in outcomes}
