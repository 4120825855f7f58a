"""Opens a model file as untrusted data: its description and its weights, with nothing executed.

``.keras`` is a zip of ``config.json`` and ``model.weights.h5``; ``.h5`` is one HDF5 file with the description
in an attribute. The first bytes decide which it is, not the file's name.
"""

import contextlib
import hashlib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import Any

from converter.archive import budget as budgets
from converter.archive.attributes import text_attribute, text_list_attribute
from converter.archive.budget import Budget
from converter.archive.damage import guarded
from converter.archive.hdf5 import HDF5Reader, open_hdf5, trust_structure
from converter.archive.json_text import parse_json
from converter.archive.scope import ListScope, TreeScope, WeightScope
from converter.archive.weight import Weight
from converter.archive.window import Window
from converter.archive.zip_members import (
    check_members,
    check_stored_member,
    open_member,
    open_zip,
    read_member,
)
from converter.errors import UnsafeFileError, UsageError

_ZIP = b"PK\x03\x04"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLE = b"\x80"
_SAVE_AGAIN = "Save it from Keras with model.save('model.keras')."


@dataclass(frozen=True)
class Archive:
    """An open model file.

    Attributes:
        path: The file.
        format: ``keras`` or ``h5``.
        keras_version: The version that wrote it, or ``unknown``.
        config: The model's description as the file states it, not yet trusted.
        weights: The stored weights.
        verify: Reads the whole file once and raises UnsafeFileError if a checksum does not match.
        digest: Computes the SHA-256 of the file's bytes.
    """

    path: Path
    format: str
    keras_version: str
    config: dict[str, Any]
    weights: WeightScope
    verify: Callable[[], None]
    digest: Callable[[], str]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes, in hexadecimal."""
        return self.digest()


@dataclass(frozen=True)
class _Source:
    """The one handle through which everything is read: the name is never opened again."""

    path: Path
    file: BufferedReader
    budget: Budget
    stack: contextlib.ExitStack

    @property
    def name(self) -> str:
        return self.path.name

    def window(self) -> Window:
        return self.stack.enter_context(Window(self.file.fileno()))

    def digest(self) -> str:
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()


@contextlib.contextmanager
def open_archive(path: Path, budget: Budget = budgets.DEFAULT) -> Iterator[Archive]:
    """Open a ``.keras`` or ``.h5`` file; the weights can be read while the context lasts.

    Raises:
        UsageError: There is no such file.
        UnsafeFileError: It is not a Keras model, is damaged, or is unsafe.
    """
    with contextlib.ExitStack() as stack:
        source = _Source(path, stack.enter_context(_open(path)), budget, stack)
        start = source.window().read(8)
        if start.startswith(_ZIP):
            yield _open_keras(source)
        elif start == _HDF5:
            yield _open_h5(source)
        elif start.startswith(_PICKLE):
            raise UnsafeFileError(
                "is a pickle, which runs code when opened", where=source.name, hint=_SAVE_AGAIN
            )
        else:
            raise UnsafeFileError(
                "is neither a .keras archive nor an HDF5 file", where=source.name, hint=_SAVE_AGAIN
            )


def _open(path: Path) -> BufferedReader:
    if path.is_dir():
        raise UsageError(
            "is a folder",
            where=str(path),
            hint="Give a .keras or .h5 file; a SavedModel is already converted.",
        )
    if path.exists() and not path.is_file():
        raise UsageError("is no regular file", where=str(path))
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from None


def _open_keras(source: _Source) -> Archive:
    name, budget, window = source.name, source.budget, source.window()
    archive = source.stack.enter_context(open_zip(window, name, budget))
    members = check_members(archive, name, budget)
    for needed in ("config.json", "model.weights.h5"):
        if needed not in members:
            raise UnsafeFileError(f"has no {needed}", where=name, hint=_SAVE_AGAIN)
    config = _json_member(archive, window, members["config.json"], name, budget)
    stated = (
        _json_member(archive, window, members["metadata.json"], name, budget)
        if ("metadata.json" in members)
        else {}
    )
    entry = members["model.weights.h5"]
    stream = source.stack.enter_context(open_member(archive, window, entry, name))
    inside = f"{name}: {entry.filename}"
    file = source.stack.enter_context(contextlib.closing(open_hdf5(stream, inside, budget)))
    reader = HDF5Reader(file, stream, inside, budget)
    weights = dict(guarded(reader.weights(file), inside))
    trust_structure(stream)
    return Archive(
        path=source.path,
        format="keras",
        keras_version=_version(stated.get("keras_version")),
        config=config,
        weights=TreeScope(weights),
        verify=lambda: check_stored_member(stream, entry, name),
        digest=source.digest,
    )


def _json_member(
    archive: zipfile.ZipFile, window: Window, entry: zipfile.ZipInfo, name: str, budget: Budget
) -> dict[str, Any]:
    where = f"{name}: {entry.filename}"
    if entry.file_size > budget.config_bytes:
        raise UnsafeFileError(
            f"holds {entry.file_size:,} bytes of JSON, more than the {budget.config_bytes:,} allowed",
            where=where,
        )
    return parse_json(read_member(archive, window, entry, name), where, budget)


def _version(stated: object) -> str:
    """The version of Keras as the file states it, fit to be shown."""
    good = isinstance(stated, str) and len(stated) < 40 and stated.isprintable()
    return str(stated) if good else "unknown"


def _open_h5(source: _Source) -> Archive:
    name, budget, window = source.name, source.budget, source.window()
    with contextlib.closing(open_hdf5(window, name, budget)) as file:
        window.largest_read = budget.config_bytes + budget.heap_bytes
        config = text_attribute(file, "model_config", name, budget)
        version = text_attribute(file, "keras_version", name, budget)
    if config is None:
        raise UnsafeFileError(
            "holds no model_config: it has weights only, or is no Keras model", where=name, hint=_SAVE_AGAIN
        )
    # Opened anew: the long text must not be in the library's cache when names are read.
    file = source.stack.enter_context(contextlib.closing(open_hdf5(window, name, budget)))
    reader = HDF5Reader(file, window, name, budget)
    layers = dict(guarded(_h5_layers(reader), name))
    trust_structure(window)
    return Archive(
        path=source.path,
        format="h5",
        keras_version=_version(version),
        config=parse_json(config.encode("utf-8", "surrogateescape"), f"{name}: model_config", budget),
        weights=ListScope(layers),
        verify=lambda: None,
        digest=source.digest,
    )


def _h5_layers(reader: HDF5Reader) -> Iterator[tuple[str, list[tuple[str, Weight]]]]:
    group = reader.group(reader.file, "model_weights")
    stored = dict(reader.weights(group))
    met: set[str] = set()
    for layer in text_list_attribute(group, "layer_names", reader.name, reader.budget):
        holder = reader.group(group, layer)
        where = f"{reader.name}: {layer}"
        names = text_list_attribute(holder, "weight_names", where, reader.budget)
        listed = []
        for weight in names:
            path = f"{layer}/{weight}"
            if path not in stored or path in met:
                what = "is listed twice" if path in met else "is missing"
                raise UnsafeFileError(what, where=f"{reader.name}: {path}")
            met.add(path)
            listed.append((weight, stored[path]))
        yield layer, listed
    unlisted = next((path for path in stored if path not in met), None)
    if unlisted is not None and not unlisted.startswith("top_level_model_weights/"):
        raise UnsafeFileError("is a weight that no layer lists", where=f"{reader.name}: {unlisted}")
