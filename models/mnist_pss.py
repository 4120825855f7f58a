"""An MNIST classifier with a parametric sigmoid, saved in the current Keras format and in legacy HDF5."""

import keras
import tensorflow as tf
from digits import mnist
from golden import record

keras.utils.set_random_seed(1)
tf.config.experimental.enable_op_determinism()


class PSSLayer(keras.layers.Layer):
    """Sigmoid whose steepness is set by alpha."""

    def __init__(self, alpha=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return tf.sigmoid(self.alpha * inputs)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


x_train, x_test, y_train, y_test = mnist()

model = keras.Sequential(
    [
        keras.Input(shape=(784,)),
        keras.layers.Dense(64),
        PSSLayer(alpha=3.0),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=32, epochs=12, verbose=0)

probabilities = model.predict(x_test, verbose=0)
for model_file in ("mnist_pss.keras", "mnist_legacy.h5"):
    model.save(model_file)
    record(
        model_file,
        inputs={"input_layer": x_test},
        outputs={"dense_1": probabilities},
        labels={"dense_1": y_test},
    )
