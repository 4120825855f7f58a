"""An MNIST classifier with a rational smooth sigmoid."""

import keras
import tensorflow as tf
from digits import mnist
from golden import record

keras.utils.set_random_seed(4)
tf.config.experimental.enable_op_determinism()


class RationalSSLayer(keras.layers.Layer):
    """Softsign scaled by a, bending at 1/b."""

    def __init__(self, a=1.0, b=1.0, **kwargs):
        super().__init__(**kwargs)
        self.a = a
        self.b = b

    def call(self, inputs):
        return self.a * inputs / (1.0 + self.b * tf.abs(inputs))

    def get_config(self):
        return {**super().get_config(), "a": self.a, "b": self.b}


x_train, x_test, y_train, y_test = mnist()

model = keras.Sequential(
    [
        keras.Input(shape=(784,)),
        keras.layers.Dense(64),
        RationalSSLayer(a=1.5, b=0.8),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=12, verbose=0)
model.save("mnist_rational_ss.keras")

record(
    "mnist_rational_ss.keras",
    inputs={"input_layer": x_test},
    outputs={"dense_1": model.predict(x_test, verbose=0)},
    labels={"dense_1": y_test},
)
