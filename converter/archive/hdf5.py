"""HDF5 as untrusted data: plain groups and datasets whose bytes lie in the file itself, and nothing else.

HDF5 can point elsewhere in many ways: soft and external links, external raw storage, virtual datasets, object
references, committed and variable-length types. None of them occurs in a Keras file, so all are refused.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from converter.archive.budget import Budget
from converter.archive.weight import Weight
from converter.errors import UnsafeFileError

# gzip, shuffle and fletcher32: what h5py and Keras can have written. Others load plugins from disk.
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}


@dataclass
class HDF5Reader:
    """Walks one HDF5 file.

    Attributes:
        file: The open file.
        name: What the file is called in messages.
        budget: The limits; what is declared is added up over the whole file.
    """

    file: h5py.File
    name: str
    budget: Budget
    _objects: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)

    def weights(self, group: h5py.Group, prefix: str = "") -> Iterator[tuple[str, Weight]]:
        """Every dataset below a group with its path, in the file's order.

        Raises:
            UnsafeFileError: A link is no hard link, or a dataset is not plain numbers in this file.
        """
        for name in group:
            path = f"{prefix}/{name}" if prefix else name
            child = self.child(group, name)
            if isinstance(child, h5py.Group):
                if path.count("/") > self.budget.config_depth:
                    raise self._unsafe(f"is nested deeper than {self.budget.config_depth} groups", path)
                yield from self.weights(child, path)
            else:
                yield path, self._weight(child, path)

    def child(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
        """One member of a group, reached by a hard link only; a path is followed link by link."""
        here: Any = group
        for part in name.split("/"):
            if not isinstance(here, h5py.Group):
                raise self._unsafe("lies below something that is not a group", name)
            link = here.get(part, getlink=True)
            if link is None:
                raise self._unsafe("is missing", name)
            if not isinstance(link, h5py.HardLink):
                kind = "an external link" if isinstance(link, h5py.ExternalLink) else "a soft link"
                raise self._unsafe(f"is {kind}; weights must lie in the file itself", name)
            here = here[part]
        self._objects += 1
        if self._objects > self.budget.members:
            raise self._unsafe(f"holds more than {self.budget.members:,} objects", "")
        if not isinstance(here, h5py.Group | h5py.Dataset):
            raise self._unsafe("is neither a group nor a dataset", name)
        return here

    def dataset(self, group: h5py.Group, path: str) -> Weight:
        """The dataset at a path below a group."""
        found = self.child(group, path)
        if not isinstance(found, h5py.Dataset):
            raise self._unsafe("is a group where a dataset belongs", path)
        return self._weight(found, path)

    def _weight(self, dataset: h5py.Dataset, path: str) -> Weight:
        self._check(dataset, path)
        shape, dtype = tuple(int(size) for size in dataset.shape), dataset.dtype

        def read() -> NDArray[Any]:
            try:
                return np.asarray(dataset[()]).reshape(shape)
            except OSError as error:
                raise self._unsafe(f"cannot be read: the file is damaged ({error})", path) from None

        return Weight(shape, dtype, read)

    def _check(self, dataset: h5py.Dataset, path: str) -> None:
        properties = dataset.id.get_create_plist()
        if properties.get_external_count():
            raise self._unsafe("keeps its numbers in another file (external storage)", path)
        if dataset.is_virtual:
            raise self._unsafe("is a virtual dataset, assembled from other files", path)
        if dataset.dtype.kind not in "fiub" or dataset.shape is None:
            raise self._unsafe(f"holds {dataset.dtype}, not numbers", path)
        filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
        if filters - _FILTERS:
            raise self._unsafe(f"uses HDF5 filter {min(filters - _FILTERS)}, which is not allowed", path)
        self._check_size(dataset, path, packed=bool(filters))

    def _check_size(self, dataset: h5py.Dataset, path: str, *, packed: bool) -> None:
        declared = math.prod(dataset.shape) * dataset.dtype.itemsize
        stored = dataset.id.get_storage_size()
        self._bytes += declared
        if self._bytes > self.budget.total_bytes:
            limit = self.budget.total_bytes
            raise self._unsafe(f"declares {declared:,} bytes, over the limit of {limit:,} in all", path)
        # A dataset that was never written, or a sparse one, would be filled with a value nobody trained.
        enough = stored * self.budget.ratio >= declared if packed else stored >= declared
        if declared and not enough:
            raise self._unsafe(f"declares {declared:,} bytes but stores {stored:,}", path)

    def _unsafe(self, what: str, path: str) -> UnsafeFileError:
        return UnsafeFileError(what, where=f"{self.name}: {path}" if path else self.name)


def open_hdf5(source: str | BinaryIO, name: str) -> h5py.File:
    """Open an HDF5 file for reading.

    Raises:
        UnsafeFileError: It is not HDF5, or is truncated or damaged.
    """
    try:
        return h5py.File(source, "r")
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UnsafeFileError(
            f"is not a readable HDF5 file: {error}", where=name, hint="Save or copy the model again."
        ) from None


def text_attribute(holder: h5py.Group, key: str, name: str, budget: Budget) -> str | None:
    """A text attribute; None if it is not there.

    Raises:
        UnsafeFileError: It is not text, or too long.
    """
    if key not in holder.attrs:
        return None
    value = _attribute(holder, key, name, budget)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise UnsafeFileError(f"attribute '{key}' is not text", where=name)
    return value


def text_list_attribute(holder: h5py.Group, key: str, name: str, budget: Budget) -> list[str]:
    """A list of texts; Keras splits a long one into ``key0``, ``key1``, ...

    Raises:
        UnsafeFileError: It is missing or not a list of texts.
    """
    chunks = [key] if key in holder.attrs else []
    while not chunks or chunks[-1] != key:
        following = f"{key}{len(chunks)}"
        if following not in holder.attrs:
            break
        chunks.append(following)
    if not chunks:
        raise UnsafeFileError(f"attribute '{key}' is missing", where=name)
    items = [item for chunk in chunks for item in np.ravel(_attribute(holder, chunk, name, budget))]
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in items]
    if not all(isinstance(text, str) for text in texts):
        raise UnsafeFileError(f"attribute '{key}' is not a list of texts", where=name)
    return [str(text) for text in texts]


def _attribute(holder: h5py.Group, key: str, name: str, budget: Budget) -> Any:  # noqa: ANN401
    try:
        identifier = holder.attrs.get_id(key)
        if math.prod(identifier.shape or ()) * identifier.dtype.itemsize > budget.config_bytes:
            raise UnsafeFileError(f"attribute '{key}' is larger than allowed", where=name)
        return holder.attrs[key]
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise UnsafeFileError(f"attribute '{key}' cannot be read ({error})", where=name) from None
