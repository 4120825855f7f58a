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
from pathlib import Path
from typing import Any, TypeVar

import h5py

from converter.archive import budget as budgets
from converter.archive.budget import Budget
from converter.archive.hdf5 import HDF5Reader, open_hdf5, text_attribute, text_list_attribute
from converter.archive.json_text import parse_json
from converter.archive.scope import ListScope, TreeScope, WeightScope
from converter.archive.weight import Weight
from converter.archive.zip_members import check_members, check_stored_member, open_member, read_member
from converter.errors import UnsafeFileError, UsageError

_ZIP = b"PK\x03\x04"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_PICKLE = b"\x80"
T = TypeVar("T")
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
    """

    path: Path
    format: str
    keras_version: str
    config: dict[str, Any]
    weights: WeightScope
    verify: Callable[[], None]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes, in hexadecimal."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def open_archive(path: Path, budget: Budget = budgets.DEFAULT) -> Iterator[Archive]:
    """Open a ``.keras`` or ``.h5`` file; the weights can be read while the context lasts.

    Raises:
        UsageError: There is no such file.
        UnsafeFileError: It is not a Keras model, is damaged, or is unsafe.
    """
    name = path.name
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except IsADirectoryError:
        raise UsageError(
            "is a folder",
            where=str(path),
            hint="Give a .keras or .h5 file; a SavedModel is already converted.",
        ) from None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from None
    with contextlib.ExitStack() as stack:
        if start.startswith(_ZIP):
            yield _open_keras(path, name, budget, stack)
        elif start == _HDF5:
            yield _open_h5(path, name, budget, stack)
        elif start.startswith(_PICKLE):
            raise UnsafeFileError("is a pickle, which runs code when opened", where=name, hint=_SAVE_AGAIN)
        else:
            raise UnsafeFileError(
                "is neither a .keras archive nor an HDF5 file", where=name, hint=_SAVE_AGAIN
            )


def _open_keras(path: Path, name: str, budget: Budget, stack: contextlib.ExitStack) -> Archive:
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise UnsafeFileError(f"is a damaged or truncated archive ({error})", where=name) from None
    members = check_members(archive, name, budget)
    for needed in ("config.json", "model.weights.h5"):
        if needed not in members:
            raise UnsafeFileError(f"has no {needed}", where=name, hint=_SAVE_AGAIN)
        if members[needed].file_size > budget.config_bytes and needed == "config.json":
            raise UnsafeFileError("config.json is larger than allowed", where=name)
    config = parse_json(read_member(archive, members["config.json"], name), f"{name}: config.json", budget)
    entry = members["model.weights.h5"]
    stream = stack.enter_context(open_member(path, archive, entry, name))
    file = stack.enter_context(contextlib.closing(open_hdf5(stream, f"{name}: {entry.filename}")))
    reader = HDF5Reader(file, f"{name}: {entry.filename}", budget)
    return Archive(
        path=path,
        format="keras",
        keras_version=_version(archive, members, name, budget),
        config=config,
        weights=TreeScope(dict(_guarded(reader.weights(file), name))),
        verify=lambda: check_stored_member(stream, entry, name),
    )


def _version(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str, budget: Budget) -> str:
    entry = members.get("metadata.json")
    if entry is None or entry.file_size > budget.config_bytes:
        return "unknown"
    version = parse_json(read_member(archive, entry, name), f"{name}: metadata.json", budget).get(
        "keras_version"
    )
    return version if isinstance(version, str) and len(version) < 40 else "unknown"


def _open_h5(path: Path, name: str, budget: Budget, stack: contextlib.ExitStack) -> Archive:
    file = stack.enter_context(contextlib.closing(open_hdf5(str(path), name)))
    config = text_attribute(file, "model_config", name, budget)
    if config is None:
        raise UnsafeFileError(
            "holds no model_config: it has weights only, or is no Keras model", where=name, hint=_SAVE_AGAIN
        )
    reader = HDF5Reader(file, name, budget)
    return Archive(
        path=path,
        format="h5",
        keras_version=text_attribute(file, "keras_version", name, budget) or "unknown",
        config=parse_json(config.encode(), f"{name}: model_config", budget),
        weights=ListScope(dict(_guarded(_h5_layers(reader, file, budget), name))),
        verify=lambda: None,
    )


def _h5_layers(
    reader: HDF5Reader, file: h5py.File, budget: Budget
) -> Iterator[tuple[str, list[tuple[str, Weight]]]]:
    group = reader.child(file, "model_weights")
    for layer in text_list_attribute(group, "layer_names", reader.name, budget):
        holder = reader.child(group, layer)
        names = text_list_attribute(holder, "weight_names", f"{reader.name}: {layer}", budget)
        yield layer, [(weight, reader.dataset(holder, weight)) for weight in names]


def _guarded(items: Iterator[T], name: str) -> Iterator[T]:
    """Turn whatever the HDF5 library raises on damaged bytes into one clear error."""
    try:
        yield from items
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise UnsafeFileError(f"is damaged ({error})", where=name) from None
