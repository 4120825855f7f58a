import keras
import numpy as np
import pytest

from converter.layers import PSS, RationalSS

X = np.random.default_rng(8).uniform(-3, 3, (128, 3)).astype(np.float32)


def train(layer, target, *, steps=250, optimizer=None):
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(optimizer or keras.optimizers.Adam(0.1), "mse")
    return [float(model.train_on_batch(X, target)) for _ in range(steps)]


def test_alpha_is_learned():
    layer = PSS(0.5, trainable_alpha=True)
    losses = train(layer, 1 / (1 + np.exp(-3.0 * X)))
    np.testing.assert_allclose(layer.alpha, 3.0, rtol=1e-2)
    assert losses[-1] < 1e-3 * losses[0]


def test_an_alpha_per_channel_is_learned():
    wanted = np.array([1.0, 2.0, -1.5])
    layer = PSS(1.0, trainable_alpha=True, axis=-1)
    train(layer, 1 / (1 + np.exp(-wanted * X)))
    np.testing.assert_allclose(layer.alpha, wanted, rtol=1e-2)


@pytest.mark.parametrize(("alpha", "axis"), [([1.0, 1.0, 1.0], None), (1.0, -1)])
def test_an_alpha_per_channel_is_learned_inside_a_dense_layer(alpha, axis):
    wanted = np.array([1.0, 2.0, -1.5])
    activation = PSS(alpha, trainable_alpha=True, axis=axis)
    dense = keras.layers.Dense(3, activation=activation, kernel_initializer="identity", use_bias=False)
    dense.build((None, 3))
    dense.kernel.trainable = False
    train(dense, 1 / (1 + np.exp(-wanted * X)))
    np.testing.assert_allclose(activation.alpha, wanted, rtol=1e-2)


def test_a_and_b_are_learned():
    layer = RationalSS(trainable_a=True, trainable_b=True)
    train(layer, 1.5 * X / (1 + 0.4 * np.abs(X)), steps=500)
    np.testing.assert_allclose([float(layer.a), float(layer.b)], [1.5, 0.4], rtol=1e-2)


def test_fixed_parameters_stay():
    layer = RationalSS(0.5, 2.0, trainable_a=True)
    train(layer, X / (1 + 2.0 * np.abs(X)), steps=150)
    np.testing.assert_allclose(layer.a, 1.0, rtol=1e-2)
    assert layer.b == 2.0


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_b_stays_above_0_where_the_data_would_push_it_below(dtype):
    bulging = (2.0 * X).astype(np.float32)  # steeper than a = 1 allows for any b above 0
    layer = RationalSS(1.0, 0.1, trainable_b=True, dtype=dtype)
    losses = train(layer, bulging, steps=30)
    assert 0 < float(layer.b) <= 2e-7
    assert np.isfinite(losses).all()

    free = RationalSS(1.0, 0.1, trainable_b=True)
    free.b.constraint = None
    train(free, bulging, steps=30)
    assert float(free.b) < 0


def test_alpha_is_learned_under_mixed_float16_with_loss_scaling():
    layer = PSS(1.0, trainable_alpha=True, dtype="mixed_float16")
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1))
    losses = train(layer, 1 / (1 + np.exp(-2.0 * X)), optimizer=scaled)
    np.testing.assert_allclose(layer.alpha, 2.0, rtol=2e-2)
    assert np.isfinite(losses).all()
