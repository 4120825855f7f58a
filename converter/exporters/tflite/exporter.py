"""Writes a TFLite file of builtin operators: a temporary SavedModel, then the converter of TensorFlow."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf

from converter.errors import UnsupportedError
from converter.exporters.contract import ExportOptions, Json
from converter.exporters.layer_of_operation import layer_of
from converter.exporters.saved_model import SIGNATURE_KEY, write_saved_model
from converter.exporters.tflite.canonical import canonicalise
from converter.exporters.tflite.unrolling import unrolled
from converter.signature import Signature

_UNSUPPORTED_OPS = re.compile(r"^(?:TF Select|Flex|Custom) ops?: (.+)$", re.MULTILINE)
_FAILED_OP = re.compile(r"'(?:tf|tfl)\.(\w+)' op")


def export(
    model: keras.Model,
    signature: Signature,
    path: Path,
    provenance: Mapping[str, Json],
    options: ExportOptions,  # noqa: ARG001  no option concerns this format
) -> None:
    """Write a TFLite file; see ``contract.Exporter``.

    The bytes depend only on the model, the signature and the provenance.

    Raises:
        UnsupportedError: An operation has no builtin TFLite counterpart (it would need Flex or a custom op); or a
            recurrent layer has a free number of steps, or too many, and the batch is free.
    """
    _require_known_groups(model)
    with tempfile.TemporaryDirectory(prefix="plainserve-") as folder:
        saved_model = Path(folder, "saved_model")
        with unrolled(signature) as unrolling:
            graph = write_saved_model(model, signature, saved_model)
        unrolling.require(model, signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=[SIGNATURE_KEY])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            raw = converter.convert()
        except Exception as error:
            # Releases of TensorFlow have the class in different modules, under the same name.
            if type(error).__name__ != "ConverterError":
                raise
            raise _refusal(str(error), graph, model) from error
    path.write_bytes(canonicalise(raw, signature, provenance))


def _require_known_groups(model: keras.Model) -> None:
    """Refuse grouped Conv3D, which the converter writes and no interpreter loads: CONV_3D has no groups."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv3D) and layer.groups != 1:
            raise UnsupportedError(
                f"a Conv3D in {layer.groups} groups has no builtin TFLite counterpart",
                where=f"layer '{layer.name}'",
                hint="Choose another format with --to, or write the groups as layers of their own.",
            )


def _refusal(message: str, graph: tf.Graph, model: keras.Model) -> UnsupportedError:
    """Translate the many lines of MLIR of the converter into one that names the operations."""
    names = {name.strip() for names in _UNSUPPORTED_OPS.findall(message) for name in names.split(",")}
    names = names or set(_FAILED_OP.findall(message))
    culprits = [operation.name for operation in graph.get_operations() if operation.type in names]
    return UnsupportedError(
        f"TFLite has no builtin counterpart of {', '.join(sorted(names)) or 'an operation'}",
        where=layer_of(culprits[0], model) if culprits else "tflite",
        hint=_hint(names, model),
    )


def _hint(names: set[str], model: keras.Model) -> str:
    if any(name.startswith("TensorList") for name in names):
        return "A loop needs a fixed batch: --batch 1."
    if any(layer.compute_dtype in ("float16", "bfloat16") for layer in model.layers):
        return "TFLite computes in float32; choose another format with --to, or a float32 model."
    return "Try a static batch (--batch 1), or another format with --to."
