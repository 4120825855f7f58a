"""The hash of a SavedModel sees its graph and weights, and nothing else."""

import shutil

import keras
import numpy as np
import pytest

from converter.artefacts.saved_model_hash import content_hash
from converter.exporters.target_formats import get_target
from converter.signature import Signature, TensorSpec

SIGNATURE = Signature(
    (TensorSpec("x", (None, 5, 3), "float32"),),
    (TensorSpec("y", (None, 2), "float32"),),
)


def model(activation="sigmoid", bump=0.0, recurrent_activation="sigmoid"):
    keras.utils.set_random_seed(1)
    x = keras.Input((5, 3))
    h = keras.layers.LSTM(4, recurrent_activation=recurrent_activation)(x)
    model = keras.Model([x], [keras.layers.Dense(2, activation=activation)(h)])
    kernel = model.layers[-1].kernel
    kernel.assign(kernel + np.float32(bump))
    return model


def hash_of(path, model, signature=SIGNATURE, provenance=None):
    get_target("saved_model").export(model, signature, path, provenance or {})
    return content_hash(path)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return hash_of(tmp_path_factory.mktemp("hash") / "base", model())


def test_equal_models_under_other_automatic_names_and_folders_hash_equal(tmp_path, base):
    assert hash_of(tmp_path / "again", model(), provenance={"note": "else"}) == base
    shutil.move(tmp_path / "again", tmp_path / "moved")
    assert content_hash(tmp_path / "moved") == base


@pytest.mark.parametrize(
    "change", [{"activation": "tanh"}, {"bump": 1e-6}, {"recurrent_activation": "hard_sigmoid"}]
)
def test_another_operation_or_weight_or_loop_body_hashes_otherwise(tmp_path, base, change):
    assert hash_of(tmp_path / "changed", model(**change)) != base


def test_another_name_hashes_otherwise(tmp_path, base):
    renamed = Signature(SIGNATURE.inputs, (TensorSpec("z", (None, 2), "float32"),))
    assert hash_of(tmp_path / "renamed", model(), renamed) != base
