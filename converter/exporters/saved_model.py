"""Writes a SavedModel with one signature, ``serving_default``, which TensorFlow loads without Keras."""

import json
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf

from converter.exporters.contract import PROVENANCE_KEY, ExportOptions, Json
from converter.exporters.serving_function import serving_function
from converter.signature import Signature

SIGNATURE_KEY = "serving_default"
PROVENANCE_FILE = Path("assets.extra", f"{PROVENANCE_KEY}.json")
"""TensorFlow reserves ``assets.extra`` for files of users, and never reads them."""


def export(
    model: keras.Model,
    signature: Signature,
    path: Path,
    provenance: Mapping[str, Json],
    options: ExportOptions,  # noqa: ARG001  no option concerns this format
) -> None:
    """Write a SavedModel folder; see ``contract.Exporter``."""
    write_saved_model(model, signature, path)
    extra = path / PROVENANCE_FILE
    extra.parent.mkdir()
    extra.write_text(json.dumps(provenance, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_saved_model(model: keras.Model, signature: Signature, path: Path) -> tf.Graph:
    """Write the bare SavedModel: the variables that the function reads, and the function.

    Weights that inference never reads, such as the seed of a Dropout, are left out.

    Returns:
        The function's graph.
    """
    serve, specs = serving_function(model, signature)
    concrete = serve.get_concrete_function(*specs)
    module = tf.Module()
    module.weights = _ordered(concrete.variables, model)
    tf.saved_model.save(module, str(path), signatures={SIGNATURE_KEY: concrete})
    return concrete.graph


def _ordered(captured: tuple[tf.Variable, ...], model: keras.Model) -> list[tf.Variable]:
    """Sort in the order of the model's weights; other variables come last."""
    place = {id(weight.value): index for index, weight in enumerate(model.weights)}
    return sorted(captured, key=lambda variable: place.get(id(variable), len(place)))
