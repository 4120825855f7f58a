"""Reads the weights in an HDF5 file, in either of Keras's layouts.

    lists    layer_names, and of each layer weight_names: model.save("m.h5") and Keras 2's save_weights("w.h5")
    a tree   layers/dense/vars/0: save_weights("m.weights.h5"), and inside of .keras

The first is recognised by its attributes.
"""

import contextlib
from collections.abc import Iterator

import h5py

from converter.archive.hdf5 import HDF5Reader, open_hdf5, trust_structure
from converter.archive.hdf5_attributes import text_attribute, text_list_attribute
from converter.archive.library_errors import LIBRARY_ERRORS, guarded
from converter.archive.source_file import Source
from converter.archive.weight import Weight
from converter.archive.weight_scope import ListScope, TreeScope, WeightScope
from converter.errors import UnsafeFileError

_LISTED = ("layer_names", "layer_names0")
_WHOLE = "model_weights"  # where a file that holds the description too has the lists


def open_weights(source: Source) -> tuple[WeightScope, str | None]:
    """The weights in a separate file of weights, and the version of Keras if the file states it.

    Raises:
        UnsafeFileError: It is damaged or unsafe, or holds no weights of Keras.
    """
    name, window = source.name, source.window()
    file = source.stack.enter_context(contextlib.closing(open_hdf5(window, name, source.budget)))
    reader = HDF5Reader(file, window, name, source.budget)
    version = text_attribute(file, "keras_version", name, source.budget)
    group = reader.group(file, _WHOLE) if _has(file, _WHOLE, name) else file
    scope: WeightScope
    if is_listed(group, name):
        scope = ListScope(dict(guarded(layer_lists(reader, group), name)))
    else:
        scope = TreeScope(dict(guarded(reader.weights(group), name)))
    trust_structure(window)
    return scope, version


def is_listed(group: h5py.Group, name: str) -> bool:
    """Whether a group holds weights in lists.

    Raises:
        UnsafeFileError: Its attributes are damaged.
    """
    try:
        return any(key in group.attrs for key in _LISTED)
    except LIBRARY_ERRORS as error:
        raise UnsafeFileError(f"is damaged ({error})", where=name) from None


def layer_lists(reader: HDF5Reader, group: h5py.Group) -> Iterator[tuple[str, list[tuple[str, Weight]]]]:
    """For each layer, its weights with their names, in the order of the lists.

    Raises:
        UnsafeFileError: A listed weight is missing or listed twice, or one is listed by no layer.
    """
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


def _has(file: h5py.File, key: str, name: str) -> bool:
    try:
        return key in file
    except LIBRARY_ERRORS as error:
        raise UnsafeFileError(f"is damaged ({error})", where=name) from None
