"""Reads HDF5 as untrusted data: only plain groups and datasets whose bytes are in the file itself.

HDF5 can refer to other places in many ways: soft and external links, external raw storage, virtual datasets, object
references, committed and variable-length types. Chunks and filters can expand a small file to a large one. None of
these occurs in a Keras file, so all are refused.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from converter.archive.budget import Budget
from converter.archive.file_window import Window
from converter.archive.hdf5_attributes import text_attribute
from converter.archive.hdf5_heap import inspect_heaps
from converter.archive.hdf5_object_header import plain_header, plain_superblock
from converter.archive.library_errors import LIBRARY_ERRORS
from converter.archive.weight import Weight
from converter.errors import UnsafeFileError

_OTHER_FORM = "is written in a form of HDF5 that Keras does not use, or is damaged"
_NUMBERS = "fiub"
_LAYOUTS = {h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT}
_REPACK = "If you trust it, store it plainly: h5repack -l CONTI -f NONE old.h5 new.h5"


@dataclass
class HDF5Reader:
    """Traverses one HDF5 file and checks every object.

    Attributes:
        file: The open file.
        window: The bytes that it reads.
        name: The file's name in messages.
        budget: The limits; declared sizes are summed over the whole file.
    """

    file: h5py.File
    window: Window
    name: str
    budget: Budget
    _met: set[int] = field(default_factory=set, init=False)
    _bytes: int = field(default=0, init=False)

    def weights(self, group: h5py.Group, prefix: str = "") -> Iterator[tuple[str, Weight]]:
        """Every dataset below a group with its path, in the file's order.

        Raises:
            UnsafeFileError: A link is not a hard link, an object is reached twice, or a dataset does not consist
                of plain numbers in this file.
        """
        for name in group:
            path = f"{prefix}/{name}" if prefix else name
            if len(path) > self.budget.name_bytes:
                raise self._unsafe(f"has a path longer than {self.budget.name_bytes} bytes", path[:60])
            child = self.child(group, name, path)
            self._meet(child, path)
            if isinstance(child, h5py.Group):
                yield from self.weights(child, path)
            else:
                yield path, self._weight(child, path)

    def child(self, group: h5py.Group, name: str, path: str = "") -> h5py.Group | h5py.Dataset:
        """One member of a group, reached by hard links only; a path is followed link by link."""
        here: Any = group
        path = path or name
        for part in name.split("/"):
            if not isinstance(here, h5py.Group):
                raise self._unsafe("lies below something that is not a group", path)
            link = here.get(part, getlink=True)
            if link is None:
                raise self._unsafe("is missing", path)
            if not isinstance(link, h5py.HardLink):
                kind = "an external link" if isinstance(link, h5py.ExternalLink) else "a soft link"
                raise self._unsafe(f"is {kind}; weights must lie in the file itself", path)
            here = here[part]
            if isinstance(here, h5py.Group | h5py.Dataset) and not plain_header(self.window, _address(here)):
                raise self._unsafe(_OTHER_FORM, path, _REPACK)
        if not isinstance(here, h5py.Group | h5py.Dataset):
            raise self._unsafe("is neither a group nor a dataset", path)
        return here

    def group(self, parent: h5py.Group, name: str) -> h5py.Group:
        """The group of that name."""
        found = self.child(parent, name)
        if not isinstance(found, h5py.Group):
            raise self._unsafe("is a dataset where a group belongs", name)
        return found

    def _meet(self, found: h5py.Group | h5py.Dataset, path: str) -> None:
        """Count an object, and refuse one that is reached twice: links could form a cycle."""
        address = _address(found)
        if address in self._met:
            raise self._unsafe("is reached in two ways", path)
        self._met.add(address)
        if len(self._met) > self.budget.members:
            raise self._unsafe(f"is one of more than {self.budget.members:,} objects", path)

    def _weight(self, dataset: h5py.Dataset, path: str) -> Weight:
        dtype = self._dtype(dataset, path)
        self._check_storage(dataset, path)
        shape = tuple(int(size) for size in dataset.shape)

        def read() -> NDArray[Any]:
            try:
                return np.asarray(dataset[()]).reshape(shape).view(dtype)
            except OSError as error:
                raise self._unsafe(f"cannot be read: the file is damaged ({error})", path) from None

        return Weight(shape, dtype, read)

    def _dtype(self, dataset: h5py.Dataset, path: str) -> np.dtype[Any]:
        stored: np.dtype[Any] = dataset.dtype
        if stored.kind in _NUMBERS and dataset.shape is not None:
            return stored
        # numpy has no bfloat16: Keras stores the two bytes as an opaque type, with the dtype in an attribute.
        if (
            stored == np.dtype("V2")
            and text_attribute(dataset, "dtype", self.name, self.budget) == "bfloat16"
        ):
            bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
            return bfloat16
        raise self._unsafe(f"holds {stored!s:.60}, not numbers", path)

    def _check_storage(self, dataset: h5py.Dataset, path: str) -> None:
        properties = dataset.id.get_create_plist()
        if properties.get_external_count():
            raise self._unsafe("keeps its numbers in another file (external storage)", path)
        if dataset.is_virtual:
            raise self._unsafe("is a virtual dataset, assembled from other files", path)
        filters = [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]
        if filters:
            raise self._unsafe(f"is packed with HDF5 filter {filters[0]}; Keras packs nothing", path, _REPACK)
        layout = properties.get_layout()
        if layout not in _LAYOUTS:
            raise self._unsafe("is stored in chunks; Keras stores arrays whole", path, _REPACK)
        declared = math.prod(dataset.shape) * dataset.dtype.itemsize
        self._bytes += declared
        if self._bytes > self.budget.total_bytes:
            limit = self.budget.total_bytes
            raise self._unsafe(f"declares {declared:,} bytes, over the limit of {limit:,} in all", path)
        # HDF5 would read a dataset that was never written as a fill value instead of trained numbers.
        stored = self._stored(dataset) if layout == h5py.h5d.CONTIGUOUS else dataset.id.get_storage_size()
        if stored < declared:
            raise self._unsafe(f"declares {declared:,} bytes but stores {stored:,}", path)

    def _stored(self, dataset: h5py.Dataset) -> int:
        """How many of its bytes are in the file; the size in the header is not trusted."""
        offset = dataset.id.get_offset()
        if offset is None:
            return 0
        return min(int(dataset.id.get_storage_size()), max(0, self.window.size - int(offset)))

    def _unsafe(self, what: str, path: str, hint: str = "") -> UnsafeFileError:
        return UnsafeFileError(what, where=f"{self.name}: {path}", hint=hint)


def _address(found: h5py.Group | h5py.Dataset) -> int:
    return int(h5py.h5o.get_info(found.id).addr)


def trust_structure(window: Window) -> None:
    """Lift the limits on reads: from here on only arrays are read, whose sizes have been checked."""
    window.largest_read = window.inspect = None


def open_hdf5(window: Window, name: str, budget: Budget) -> h5py.File:
    """Open an HDF5 file for reading; only small structures are read until the window's limit is lifted.

    Raises:
        UnsafeFileError: It is not HDF5, or is truncated or damaged.
    """
    while h5py.h5pl.size():  # a file must not make the library load a filter plugin from disk
        h5py.h5pl.remove(0)
    window.largest_read, window.inspect = budget.heap_bytes, inspect_heaps
    try:
        file = h5py.File(window, "r")
        plain = plain_superblock(window) and plain_header(window, _address(file))
    except LIBRARY_ERRORS as error:
        raise UnsafeFileError(
            f"is not a readable HDF5 file: {error}", where=name, hint="Save or copy the model again."
        ) from None
    if not plain:
        file.close()
        raise UnsafeFileError(_OTHER_FORM, where=name, hint=_REPACK)
    return file
