"""Models of 16-bit floats in TFLite: computed in float32, compared in both types, and told."""

import warnings

import keras
import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.layers import PSS
from converter.options import Options
from converter.pipeline import convert

layers = keras.layers


def saved(folder, policy):
    keras.utils.set_random_seed(8)
    x = keras.Input((5,), name="x", dtype="float32" if policy.startswith("mixed_") else policy)
    hidden = PSS(3.0, dtype=policy)(layers.Dense(8, dtype=policy)(x))
    model = keras.Model(x, layers.Dense(3, activation="softmax", name="y", dtype=policy)(hidden))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of how Keras turns weights into arrays
        model.save(folder / "narrow.keras")
    return model


@pytest.mark.parametrize("policy", ["float16", "mixed_float16", "mixed_bfloat16"])
def test_it_is_written_in_float32_and_says_so(tmp_path, policy):
    model = saved(tmp_path, policy)
    options = Options(("tflite",), repository=tmp_path / "models")
    (outcome,) = convert(tmp_path / "narrow.keras", options, str.lower).outcomes
    assert outcome.error is None
    assert (
        f"computes in float32 what the original computes in {policy.removeprefix('mixed_')}"
        in (outcome.entry["notes"][0])
    )
    assert outcome.proof.outputs["y"].tolerance.atol > 1e-3
    assert outcome.proof.widened["y"].tolerance.atol == 1e-5
    assert outcome.proof.widened["y"].max_absolute < 1e-5
    assert [spec["dtype"] for spec in outcome.entry["inputs"] + outcome.entry["outputs"]] == ["float32"] * 2
    x = np.random.default_rng(8).normal(size=(4, 5)).astype(np.float32)
    came = open_artefact("tflite", outcome.path / "model.tflite").run({"x": x})["y"]
    np.testing.assert_allclose(came, np.asarray(model(x), np.float32), rtol=0, atol=2e-2)
    with np.load(outcome.path / "golden.npz") as golden:
        assert golden["input:x"].dtype == golden["output:y"].dtype == np.float32


def test_formats_that_know_16_bits_keep_them_and_float32_needs_no_note(tmp_path):
    saved(tmp_path, "float16")
    (outcome,) = convert(tmp_path / "narrow.keras", Options(("onnx",), output=tmp_path), str.lower).outcomes
    assert (outcome.entry["notes"], outcome.entry["inputs"][0]["dtype"]) == ([], "float16")
    saved(tmp_path, "float32")
    (outcome,) = convert(tmp_path / "narrow.keras", Options(("tflite",), output=tmp_path), str.lower).outcomes
    assert (outcome.entry["notes"], outcome.proof.widened) == ([], {})


def test_without_parity_nothing_is_said_to_have_been_compared(tmp_path):
    saved(tmp_path, "mixed_float16")
    options = Options(("tflite",), output=tmp_path, parity=False)
    (outcome,) = convert(tmp_path / "narrow.keras", options, str.lower).outcomes
    assert len(outcome.entry["notes"]) == 1
    assert "compared" not in outcome.entry["notes"][0]
