"""A small convolutional network on 8x8 digits: which digit it is, and whether it is odd."""

import keras
import tensorflow as tf
from digits import small_digits
from golden import record
from keras import layers

keras.utils.set_random_seed(5)
tf.config.experimental.enable_op_determinism()


class PSSLayer(layers.Layer):
    """sigmoid(alpha * x)."""

    def __init__(self, alpha=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return keras.ops.sigmoid(self.alpha * inputs)

    def get_config(self):
        config = super().get_config()
        config["alpha"] = self.alpha
        return config


class RationalSSLayer(layers.Layer):
    """a * x / (1 + b * |x|)."""

    def __init__(self, a=1.0, b=1.0, **kwargs):
        super().__init__(**kwargs)
        self.a = a
        self.b = b

    def call(self, inputs):
        return self.a * inputs / (1 + self.b * keras.ops.abs(inputs))

    def get_config(self):
        config = super().get_config()
        config.update(a=self.a, b=self.b)
        return config


def smooth_sigmoid(x):
    return x / (1 + keras.ops.abs(x))


x_train, x_test, y_train, y_test = small_digits()

image = keras.Input(shape=(8, 8, 1), name="image")
x = layers.Conv2D(16, 3, padding="same")(image)
x = layers.BatchNormalization()(x)
x = PSSLayer(alpha=2.0)(x)
x = layers.MaxPooling2D(pool_size=2)(x)
x = layers.Conv2D(32, 3, padding="same")(x)
x = layers.BatchNormalization()(x)
x = layers.Lambda(lambda x: smooth_sigmoid(x))(x)  # noqa: PLW0108  the wrapper is part of the file
x = layers.AveragePooling2D(pool_size=2)(x)
x = layers.Flatten()(x)
x = layers.Dense(48)(x)
x = RationalSSLayer(a=1.5, b=0.8)(x)
digit = layers.Dense(10, activation="softmax", name="digit")(x)
parity = layers.Dense(1, activation="sigmoid", name="parity")(x)

model = keras.Model(inputs=image, outputs=[digit, parity], name="digits_cnn")
model.compile(
    optimizer="adam",
    loss={"digit": "sparse_categorical_crossentropy", "parity": "binary_crossentropy"},
    metrics={"digit": "accuracy", "parity": "accuracy"},
)
model.fit(x_train, {"digit": y_train, "parity": y_train % 2}, batch_size=32, epochs=30, verbose=0)
model.save("digits_cnn.keras")

digits, parities = model.predict(x_test, verbose=0)
record(
    "digits_cnn.keras",
    inputs={"image": x_test},
    outputs={"digit": digits, "parity": parities},
    labels={"digit": y_test, "parity": y_test % 2},
)
