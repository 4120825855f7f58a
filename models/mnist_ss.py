"""An MNIST classifier with a smooth sigmoid in a Lambda layer; the function can be traced."""

import keras
import tensorflow as tf
from digits import mnist
from golden import record

keras.utils.set_random_seed(2)
tf.config.experimental.enable_op_determinism()


def smooth_sigmoid(x):
    return x / (1.0 + tf.abs(x))


x_train, x_test, y_train, y_test = mnist()

model = keras.Sequential(
    [
        keras.Input(shape=(784,)),
        keras.layers.Dense(64),
        keras.layers.Lambda(lambda x: smooth_sigmoid(x)),  # noqa: PLW0108  the wrapper is part of the file
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=12, verbose=0)
model.save("mnist_ss.keras")

record(
    "mnist_ss.keras",
    inputs={"input_layer": x_test},
    outputs={"dense_1": model.predict(x_test, verbose=0)},
    labels={"dense_1": y_test},
)
