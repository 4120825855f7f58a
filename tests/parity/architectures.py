"""Real architectures with a user's activation in place of their own, small, with random weights.

Those of ``keras.applications`` are built without weights and changed by ``clone_model``; the others are written
the way users write them. Weights are seeded. Scales, offsets and biases are drawn, since ones and zeros would
hide a wrong one, and the statistics of each BatchNormalization are those of a batch that went through the
model, so that the signal neither dies nor grows on its way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from users_activations import CLASSES, UsersActivation

Array = NDArray[Any]
Build = Callable[[UsersActivation], keras.Model]

CLASS_COUNT = 10
_SIZE = 32
_SEED = 7
_KEPT = frozenset({"linear", "softmax", "sigmoid"})  # classifiers and gates


@dataclass(frozen=True)
class Architecture:
    """One row of the table.

    Attributes:
        build: Makes the model with a user's activation.
        inputs: What it is fed in practice: it goes through the model once to set statistics, and is part of
            what the artefacts are proved on. From a generator and a number of rows.
        targets: The formats that can hold it.
        heavy: Takes more than some seconds.
    """

    build: Build
    inputs: Callable[[np.random.Generator, int], Array]
    targets: tuple[str, ...] = ("onnx", "tflite", "saved_model")
    heavy: bool = False


def made(architecture: Architecture, activation: UsersActivation) -> keras.Model:
    """The model with its weights."""
    keras.utils.set_random_seed(_SEED)
    model = architecture.build(activation)
    generator = np.random.default_rng(_SEED)
    _draw(model, generator)
    _calibrate(model, architecture.inputs(generator, 48))
    return model


def _draw(model: keras.Model, generator: np.random.Generator) -> None:
    """Draw what Keras initialises to constants; kernels are random as they are.

    Scales of about one would leave what enters an activation at its bend. With random kernels, each residual
    block then enlarges a rounding error by some 1.4: ResNet50 with SS in float32 was 4e-4 from itself in
    float64, which says nothing about an artefact. Half of that keeps this distance below 3e-5.
    """
    for weight in model.weights:
        # ConvNeXt's LayerScale begins at 1e-6, at which nothing that its blocks compute would reach the answer.
        if weight.name == "gamma" or "layer_scale" in weight.path:
            weight.assign(generator.uniform(0.25, 0.75, weight.shape))
        elif weight.name in {"beta", "bias"}:
            weight.assign(generator.normal(0.0, 0.2, weight.shape))


def _calibrate(model: keras.Model, batch: Array) -> None:
    """Give normalisations the statistics of a batch."""
    for layer in model.layers:
        if isinstance(layer, layers.Normalization) and layer.input_mean is None:
            layer.adapt(batch / 255.0)  # what stands before it is a Rescaling by that
    normalisations = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    kept = [layer.momentum for layer in normalisations]
    for layer in normalisations:
        layer.momentum = 0.0
    if normalisations:
        model(batch, training=True)
    for layer, momentum in zip(normalisations, kept, strict=True):
        layer.momentum = momentum


def _application(make: Callable[..., keras.Model], **options: Any) -> Build:
    def build(activation: UsersActivation) -> keras.Model:
        model = make(weights=None, input_shape=(_SIZE, _SIZE, 3), classes=CLASS_COUNT, **options)
        return keras.models.clone_model(model, clone_function=lambda layer: _replaced(layer, activation))

    return build


def _replaced(layer: keras.layers.Layer, activation: UsersActivation) -> keras.layers.Layer:
    """A copy of a layer, or the user's activation in its place; classifiers and gates stay as they are."""
    config = layer.get_config()
    own = config.get("activation")
    if isinstance(layer, layers.Activation) and own not in _KEPT:
        return activation.layer(layer.name)
    if isinstance(layer, layers.ReLU) and layer.max_value is None:
        return activation.layer(layer.name)
    copy = type(layer).from_config(config)
    if isinstance(own, str) and own not in _KEPT:
        copy.activation = activation.argument()
    return copy


def _encoder(activation: UsersActivation) -> keras.Model:
    tokens = keras.Input((16,), dtype="int32", name="tokens")
    x = layers.Embedding(50, 32, name="words")(tokens)
    x = layers.Add(name="placed")([x, layers.Embedding(16, 32, name="places")(keras.ops.arange(16)[None])])
    for number in range(2):
        attended = layers.MultiHeadAttention(4, 8, name=f"attention_{number}")(x, x)
        x = layers.LayerNormalization(epsilon=1e-6, name=f"norm_{number}a")(x + attended)
        y = layers.Dense(64, name=f"wide_{number}")(x)
        y = activation.layer(f"act_{number}")(y)
        y = layers.Dense(32, name=f"narrow_{number}")(y)
        x = layers.LayerNormalization(epsilon=1e-6, name=f"norm_{number}b")(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    x = layers.Dense(24, activation=activation.argument(), name="head")(x)
    return keras.Model(tokens, layers.Dense(CLASS_COUNT, activation="softmax", name="topic")(x))


def _bidirectional(*, unroll: bool) -> Build:
    def build(activation: UsersActivation) -> keras.Model:
        tokens = keras.Input((10 if unroll else None,), dtype="int32", name="tokens")
        x = layers.Embedding(40, 12, mask_zero=True, name="words")(tokens)
        with keras.utils.custom_object_scope(CLASSES):
            first = layers.LSTM(10, activation=activation.argument(), return_sequences=True, unroll=unroll)
            x = layers.Bidirectional(first, name="first")(x)
            x = layers.Bidirectional(layers.LSTM(8, unroll=unroll), name="second")(x)
        x = activation.layer("act")(layers.Dense(16, name="dense")(x))
        return keras.Model(tokens, layers.Dense(3, activation="softmax", name="mood")(x))

    return build


def _u_net(activation: UsersActivation) -> keras.Model:
    image = keras.Input((32, 32, 3), name="image")

    def block(x: Any, filters: int, name: str) -> Any:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_a")(x)
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        x = activation.layer(f"{name}_act")(x)
        return layers.Conv2D(filters, 3, padding="same", activation=activation.argument(), name=f"{name}_b")(
            x
        )

    down, x = [], image
    for level, filters in enumerate((8, 16)):
        x = block(x, filters, f"down_{level}")
        down.append(x)
        x = layers.MaxPooling2D(name=f"pool_{level}")(x)
    x = block(x, 32, "bottom")
    for level, filters in ((1, 16), (0, 8)):
        x = layers.Conv2DTranspose(filters, 2, strides=2, name=f"up_{level}")(x)
        x = layers.Concatenate(name=f"join_{level}")([x, down[level]])
        x = block(x, filters, f"merged_{level}")
    return keras.Model(image, layers.Conv2D(4, 1, activation="softmax", name="segment")(x))


def _images(generator: np.random.Generator, rows: int) -> Array:
    """Values from 0 to 255, as models with their preprocessing inside take them, from dark to bright."""
    brightness = generator.random((rows, 1, 1, 3))
    return (brightness * generator.uniform(0, 255, (rows, _SIZE, _SIZE, 3))).astype(np.float32)


def _standardised(generator: np.random.Generator, rows: int) -> Array:
    contrast = 4 * generator.random((rows, 1, 1, 3))
    return (contrast * generator.standard_normal((rows, _SIZE, _SIZE, 3))).astype(np.float32)


def _words(count: int, steps: int) -> Callable[[np.random.Generator, int], Array]:
    def inputs(generator: np.random.Generator, rows: int) -> Array:
        words = generator.integers(1, count, (rows, steps))
        return np.where(np.arange(steps) < generator.integers(1, steps + 1, (rows, 1)), words, 0).astype(
            "int32"
        )

    return inputs


_applications = keras.applications
_FREE_STEPS = ("onnx", "saved_model")  # TFLite's LSTM needs to know the number of steps

ARCHITECTURES = {
    "u_net": Architecture(_u_net, _standardised),
    "encoder": Architecture(_encoder, _words(50, 16)),
    "bilstm": Architecture(_bidirectional(unroll=True), _words(40, 10)),
    "bilstm_free_steps": Architecture(_bidirectional(unroll=False), _words(40, 10), _FREE_STEPS),
    "mobilenet_v3_small": Architecture(_application(_applications.MobileNetV3Small), _images),
    "efficientnet_b0": Architecture(_application(_applications.EfficientNetB0), _images, heavy=True),
    "resnet50": Architecture(_application(_applications.ResNet50), _standardised, heavy=True),
    "densenet121": Architecture(_application(_applications.DenseNet121), _standardised, heavy=True),
    "convnext_tiny": Architecture(_application(_applications.ConvNeXtTiny), _images, heavy=True),
}
