"""An MNIST classifier with a smooth sigmoid written in NumPy, which only runs eagerly.

Keras cannot trace `np.abs`, so the shapes are not inferred when the layers are stacked: the model becomes
usable with the first batch, and its saved configuration has no `build_input_shape`.
"""

import keras
import numpy as np
import tensorflow as tf
from digits import mnist
from golden import record

keras.utils.set_random_seed(3)
tf.config.experimental.enable_op_determinism()


def smooth_sigmoid(x):
    return x / (1 + np.abs(x))


x_train, x_test, y_train, y_test = mnist()

model = keras.Sequential(
    [
        keras.Input(shape=(784,)),
        keras.layers.Dense(64),
        keras.layers.Lambda(lambda x: smooth_sigmoid(x)),  # noqa: PLW0108  the wrapper is part of the file
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
)
model.fit(x_train, y_train, batch_size=32, epochs=12, verbose=0)
model.save("mnist_ss_numpy.keras")

record(
    "mnist_ss_numpy.keras",
    inputs={"input_layer": x_test},
    outputs={"dense_1": model.predict(x_test, verbose=0)},
    labels={"dense_1": y_test},
)
