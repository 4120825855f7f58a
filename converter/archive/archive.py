"""Opens a model file as untrusted data: its description and its weights. Nothing in it is executed.

``.keras`` is a zip of ``config.json`` and ``model.weights.h5``; ``.h5`` is one HDF5 file with the description
in an attribute; the JSON of ``model.to_json()`` needs a separate file of weights. The format is detected from the
first bytes, not from the file's name.
"""

import contextlib
import shlex
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from converter.archive import budget as budgets
from converter.archive.budget import Budget
from converter.archive.file_window import Window
from converter.archive.hdf5 import HDF5Reader, open_hdf5, trust_structure
from converter.archive.hdf5_attributes import text_attribute
from converter.archive.json_text import parse_json
from converter.archive.library_errors import guarded
from converter.archive.other_formats import SAVE_AGAIN, START, refuse_file, refuse_zip
from converter.archive.source_file import Source, combined_digest
from converter.archive.weight_scope import ListScope, TreeScope, WeightScope
from converter.archive.weights_file import layer_lists, open_weights
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
_JSON = b"{"


@dataclass(frozen=True)
class Archive:
    """An open model file.

    Attributes:
        path: The file that holds the description.
        format: ``keras``, ``h5`` or ``json``.
        keras_version: The version that wrote it, or ``unknown``.
        config: The model's description from the file, not validated.
        weights: The stored weights.
        verify: Reads the whole file once and raises UnsafeFileError if a checksum does not match.
        digest: Computes the SHA-256 of the file's bytes; for JSON and weights, that of both digests.
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


@contextlib.contextmanager
def open_archive(
    path: Path, budget: Budget = budgets.DEFAULT, weights: Path | None = None
) -> Iterator[Archive]:
    """Open a model; the weights can be read while the context lasts.

    Args:
        path: A ``.keras`` or ``.h5`` file, or the JSON of ``model.to_json()``.
        budget: The limits on its contents.
        weights: The file of weights that belongs to the JSON.

    Raises:
        UsageError: There is no such file, or weights are given without JSON or JSON without weights.
        UnsafeFileError: It is not a Keras model, is damaged, or is unsafe.
    """
    with contextlib.ExitStack() as stack:
        source = Source.open(path, budget, stack)
        start = source.window().read(START)
        described = start.lstrip().startswith(_JSON)
        if weights and not described:
            raise UsageError(
                "is not the JSON of model.to_json(); --weights is accepted only with that",
                where=source.name,
                hint="The JSON stands first: convert model.json --weights model.weights.h5",
            )
        if start.startswith(_ZIP):
            yield _open_keras(source)
        elif start.startswith(_HDF5):
            yield _open_h5(source)
        elif described:
            yield _open_json(source, weights)
        else:
            refuse_file(path, start)


def _open_keras(source: Source) -> Archive:
    name, budget, window = source.name, source.budget, source.window()
    archive = source.stack.enter_context(open_zip(window, name, budget))
    members = check_members(archive, name, budget)
    for needed in ("config.json", "model.weights.h5"):
        if needed not in members:
            refuse_zip(name, members, needed)
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
    """The version of Keras as the file states it; ``unknown`` if that is not short printable text."""
    good = isinstance(stated, str) and len(stated) < 40 and stated.isprintable()
    return str(stated) if good else "unknown"


def _open_h5(source: Source) -> Archive:
    name, budget, window = source.name, source.budget, source.window()
    with contextlib.closing(open_hdf5(window, name, budget)) as file:
        window.largest_read = budget.config_bytes + budget.heap_bytes
        config = text_attribute(file, "model_config", name, budget)
        version = text_attribute(file, "keras_version", name, budget)
    if config is None:
        raise UnsafeFileError(
            "holds no model_config: it has weights only, or is no Keras model",
            where=name,
            hint=f"With the JSON of model.to_json(): convert model.json --weights {shlex.quote(str(source.path))}. "
            f"Or: {SAVE_AGAIN}",
        )
    # Reopened, so that the long text is not in the library's cache when names are read.
    file = source.stack.enter_context(contextlib.closing(open_hdf5(window, name, budget)))
    reader = HDF5Reader(file, window, name, budget)
    layers = dict(guarded(layer_lists(reader, reader.group(file, "model_weights")), name))
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


def _open_json(source: Source, weights: Path | None) -> Archive:
    """Open the description in one file and the weights in another; the digest covers both."""
    where, budget = source.name, source.budget
    window = source.window()
    if window.size > budget.config_bytes:
        raise UnsafeFileError(
            f"holds {window.size:,} bytes of JSON, more than the {budget.config_bytes:,} allowed", where=where
        )
    text = window.read(window.size)
    config = parse_json(text, where, budget)
    if not isinstance(config.get("class_name"), str) or not isinstance(config.get("config"), dict | list):
        raise UnsafeFileError("is JSON, but not that of model.to_json()", where=where, hint=SAVE_AGAIN)
    if weights is None:
        raise UsageError(
            "describes a model and holds no weights",
            where=where,
            hint=f"Give them too: convert {shlex.quote(str(source.path))} --weights model.weights.h5",
        )
    beside = Source.open(weights, budget, source.stack)
    start = beside.window().read(START)
    if not start.startswith(_HDF5):
        _refuse_weights(beside, start)
    scope, version = open_weights(beside)
    return Archive(
        path=source.path,
        format="json",
        keras_version=_version(config.get("keras_version") or version or _generation(text)),
        config=config,
        weights=scope,
        verify=lambda: None,
        digest=lambda: combined_digest([source.digest(), beside.digest()]),
    )


def _generation(text: bytes) -> str | None:
    """Detect Keras 2 in a config.json that states no version: Keras 2 has another key for an input's shape."""
    return "2.x" if b'"batch_input_shape"' in text else None


def _refuse_weights(source: Source, start: bytes) -> NoReturn:
    if start.startswith(_ZIP):
        raise UsageError(
            "is no HDF5 file of weights; a .keras file holds its own description",
            where=f"--weights {source.name}",
            hint=f"Convert it alone: convert {shlex.quote(str(source.path))}",
        )
    refuse_file(source.path, start)
