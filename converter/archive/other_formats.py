"""Identifies files and folders of other formats, and refuses each with a hint at what to do instead."""

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from converter.errors import UnsafeFileError, UsageError

SAVE_AGAIN = "Save it from Keras with model.save('model.keras')."

_REBUILD = "Run the code that made the model, and save it with its layers: model.save('model.keras')."
_GRAPH = f"A graph does not say what its layers are. {_REBUILD}"
_ALREADY = f"It needs no conversion: 'plainserve serve' runs it. For another format: {_REBUILD}"
_CHECKPOINT = (
    "is a TensorFlow checkpoint: weights without a model",
    "Build the model in Python, model.load_weights(...) or restore the checkpoint, then model.save('model.keras').",
)
_TORCH = (
    "is a PyTorch file",
    "Only Keras models can be converted; export it from PyTorch: torch.onnx.export.",
)
_ARRAYS = (
    "is a file of numpy arrays, without a model",
    "Build the model in Python, model.set_weights(...), then model.save('model.keras').",
)
_PAGE = ("is a web page, not the file that its link promised", "Download the file itself.")

# Signatures, with the byte at which each begins.
_SIGNATURES = (
    (4, b"TFL3", "is a TFLite model", _ALREADY),
    (0, b"\x93NUMPY", *_ARRAYS),
    (0, b"GGUF", "is a GGUF model", SAVE_AGAIN),
    (0, b"version https://git-lfs", "is a pointer of Git LFS, not the file", "Fetch the file: git lfs pull."),
    (0, b"model_checkpoint_path:", *_CHECKPOINT),
    (0, b"\x1f\x8b", "is packed with gzip", "Unpack it first, and give the file that is inside."),
    (0, b"<!doctype html", *_PAGE),
    (0, b"<html", *_PAGE),
)
# These formats have no signature.
_SUFFIXES = {
    ".onnx": ("is an ONNX model", _ALREADY),
    ".pb": ("is a TensorFlow graph", _GRAPH),
    ".pbtxt": ("is a TensorFlow graph", _GRAPH),
    ".index": _CHECKPOINT,
    ".safetensors": ("is a file of arrays (safetensors), without a model", _ARRAYS[1]),
    ".pt": _TORCH,
    ".pth": _TORCH,
    ".yaml": ("is a description in YAML, which Keras no longer writes", SAVE_AGAIN),
    ".yml": ("is a description in YAML, which Keras no longer writes", SAVE_AGAIN),
}
_SAVED_MODEL = {"saved_model.pb", "saved_model.pbtxt"}
START = 512
"""The number of bytes that is enough to check every signature."""


def refuse_file(path: Path, start: bytes) -> NoReturn:
    """Refuse a file that is neither ``.keras`` nor HDF5 nor JSON.

    Args:
        path: Its path; the suffix decides if the bytes do not.
        start: Its first bytes.

    Raises:
        UnsafeFileError: Always.
    """
    if not start:
        raise UnsafeFileError("is empty", where=path.name, hint=f"Copy it again. {SAVE_AGAIN}")
    for position, signature, what, hint in _SIGNATURES:
        if start[position:].lower().startswith(signature.lower()):
            raise UnsafeFileError(what, where=path.name, hint=hint)
    if path.name in _SAVED_MODEL:
        refuse_folder(path.absolute().parent)
    if ".data-0" in path.name:
        raise UnsafeFileError(_CHECKPOINT[0], where=path.name, hint=_CHECKPOINT[1])
    if path.suffix.lower() in _SUFFIXES:
        what, hint = _SUFFIXES[path.suffix.lower()]
        raise UnsafeFileError(what, where=path.name, hint=hint)
    if start.startswith(b"\x80"):
        raise UnsafeFileError("is a pickle, which runs code when opened", where=path.name, hint=SAVE_AGAIN)
    raise UnsafeFileError("is neither a .keras archive nor an HDF5 file", where=path.name, hint=SAVE_AGAIN)


def refuse_zip(name: str, members: Iterable[str], missing: str) -> NoReturn:
    """Refuse a zip archive that lacks a member of a ``.keras`` file.

    Raises:
        UnsafeFileError: Always.
    """
    members = list(members)
    if any(member.endswith("/data.pkl") for member in members):
        raise UnsafeFileError(_TORCH[0], where=name, hint=_TORCH[1])
    if members and all(member.endswith(".npy") for member in members):
        raise UnsafeFileError(_ARRAYS[0], where=name, hint=_ARRAYS[1])
    if any(member.endswith("saved_model.pb") for member in members):
        raise UnsafeFileError("is a zipped SavedModel", where=name, hint=_GRAPH)
    if any(member.endswith(f"/{missing}") for member in members):
        raise UnsafeFileError(
            f"has its {missing} inside a folder, where Keras does not look",
            where=name,
            hint="Zip the files themselves, not the folder that they lie in.",
        )
    raise UnsafeFileError(f"has no {missing}", where=name, hint=SAVE_AGAIN)


def refuse_folder(path: Path) -> NoReturn:
    """Refuse a folder.

    Raises:
        UnsafeFileError: Always.
    """
    where = str(path)
    names = _names(path)
    if "keras_metadata.pb" in names:
        load = f'import tf_keras; tf_keras.models.load_model({json.dumps(str(path))}).save("model.keras")'
        raise UnsafeFileError(
            "is a SavedModel folder that Keras 2 wrote",
            where=where,
            hint=f"Load and save it with Keras 2 (pip install tf_keras): {shlex.join(['python', '-c', load])}",
        )
    if _SAVED_MODEL & set(names):
        raise UnsafeFileError("is a SavedModel folder", where=where, hint=_GRAPH)
    if {"config.json", "model.weights.h5"} <= set(names):
        parts = [str(path / part) for part in ("metadata.json", "config.json", "model.weights.h5")]
        zipped = shlex.join(["python", "-m", "zipfile", "-c", f"{path.resolve().name}.keras", *parts])
        raise UnsafeFileError("is an unpacked .keras file", where=where, hint=f"Zip it again: {zipped}")
    if any(name.endswith(".index") or ".data-0" in name for name in names):
        raise UnsafeFileError(_CHECKPOINT[0], where=where, hint=_CHECKPOINT[1])
    models = [name for name in names if name.endswith((".keras", ".h5"))]
    if models:
        raise UnsafeFileError(
            "is a folder", where=where, hint=f"Give the file: convert {shlex.quote(str(path / models[0]))}"
        )
    what = "is a folder without a Keras model" if names else "is an empty folder"
    raise UnsafeFileError(what, where=where, hint="Give a .keras or .h5 file.")


def refuse_missing(path: Path) -> None:
    """Refuse a path that is the common prefix of a checkpoint's files and not itself a file.

    Raises:
        UnsafeFileError: There is such a checkpoint.
    """
    if not path.exists() and path.name and path.with_name(f"{path.name}.index").is_file():
        raise UnsafeFileError(_CHECKPOINT[0], where=str(path), hint=_CHECKPOINT[1])


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(folder)) from None
