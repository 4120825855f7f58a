"""What only training needs is not read: loss, metrics and optimizer, the user's own included, and their state."""

import keras
import numpy as np
import pytest

from converter.archive import open_archive
from converter.description import InputShapes, describe

# h5py asks Keras's variables for a copy in numpy's older way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@keras.saving.register_keras_serializable("training_state")
class MyLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


@keras.saving.register_keras_serializable("training_state")
class MyMetric(keras.metrics.MeanSquaredError):
    pass


@keras.saving.register_keras_serializable("training_state")
class MyOptimizer(keras.optimizers.Adam):
    pass


def my_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("loss", [MyLoss, lambda: my_loss], ids=["a class", "a function"])
def test_a_model_that_was_trained_with_the_users_own_things_is_read(tmp_path, suffix, loss):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="dense")])
    model.compile(MyOptimizer(), loss(), metrics=["mae", my_loss, MyMetric()])
    model.train_on_batch(np.ones((3, 4), "float32"), np.ones((3, 2), "float32"))
    path = tmp_path / f"model{suffix}"
    model.save(path)
    with open_archive(path) as archive:
        archive.verify()
        description = describe(archive, {}, InputShapes())
        kernel = description.graph.layers["dense"].weights["vars/0"].read()
    assert description.parameters == 10
    np.testing.assert_array_equal(kernel, model.layers[0].kernel.numpy())
