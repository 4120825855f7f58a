import keras
import numpy as np
import pytest

from converter.layers import SS

TOKENS = np.array([[3, 1, 0, 0], [2, 0, 0, 0], [1, 2, 3, 1]])


class Unmasking(SS):
    """The same formula, as a layer that knows nothing of masks."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = False

    def compute_mask(self, *_):
        return None


def recurrent(activation):
    keras.utils.set_random_seed(11)
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(5, 3, mask_zero=True),
            activation,
            keras.layers.LSTM(2),
        ]
    )


def test_a_mask_reaches_the_layers_behind(any_layer):
    inputs = keras.Input((4,), dtype="int32")
    embedded = keras.layers.Embedding(5, 3, mask_zero=True)(inputs)
    masked = keras.Model(inputs, any_layer()(embedded))(TOKENS)
    np.testing.assert_array_equal(masked._keras_mask, TOKENS != 0)


def test_padding_does_not_change_the_answer(any_layer):
    model = recurrent(any_layer())
    whole = model(TOKENS)
    short = model(TOKENS[:, :2])  # the first two rows are nothing but padding from there on
    np.testing.assert_allclose(whole[:2], short[:2], rtol=1e-5, atol=1e-7)
    assert np.abs(whole[2] - short[2]).max() > 1e-3


def test_a_layer_that_drops_the_mask_would_answer_differently():
    passing = recurrent(SS())(TOKENS)
    with pytest.warns(UserWarning, match="destroy the mask"):
        dropping = recurrent(Unmasking())(TOKENS)
    assert np.abs(passing[:2] - dropping[:2]).max() > 1e-3
    np.testing.assert_allclose(passing[2], dropping[2], rtol=1e-5)  # no padding, no difference
