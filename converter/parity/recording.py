"""``converter.record``: records inputs and outputs of a model in memory, to prove a conversion with."""

import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from converter.description.inline import public_names
from converter.parity.samples import OUTPUT

_ROWS_AT_ONCE = 32


def record(
    model: Any,  # noqa: ANN401  a Keras model, of any version of Keras
    samples: ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike],
    path: str | os.PathLike[str],
) -> Path:
    """Write inputs and the outputs of a Keras model for them, for ``convert model.keras --samples PATH``.

    The model is run as it is, with its own code, in inference mode. Each array is named as the converter
    names the input or output: an input by its InputLayer, else ``input``; an output by the layer that makes it.

    Args:
        model: A Keras model in memory.
        samples: An array for a model with one input; a list in the order of the inputs, or arrays by name, for
            several. The first axis counts the rows: a few tens of rows that resemble real data are enough.
        path: The ``.npz`` file to write; an existing file is replaced at the end.

    Returns:
        The path.

    Raises:
        ValueError: The arrays do not match the inputs of the model, have no rows, or different numbers of rows.
    """
    names = _input_names(model)
    inputs = _by_name(samples, names)
    rows = {len(array) for array in inputs.values()}
    if len(rows) != 1 or rows == {0}:
        raise ValueError(f"the samples have {sorted(rows)} rows; one number above 0 is expected of all")
    answers = [
        _answer(model, {name: array[start : start + _ROWS_AT_ONCE] for name, array in inputs.items()})
        for start in range(0, rows.pop(), _ROWS_AT_ONCE)
    ]
    outputs = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
    named = {f"{OUTPUT}{name}" if name in inputs else name: array for name, array in outputs.items()}
    target = Path(path)
    _write(target, {**inputs, **named})
    return target


def _input_names(model: Any) -> list[str]:  # noqa: ANN401  a Keras model
    structure = getattr(model, "_inputs_struct", None)
    if isinstance(structure, Mapping):
        return sorted(structure)
    tensors = getattr(model, "inputs", None) or []
    return [_layer(tensor) for tensor in tensors] or ["input"]


def _layer(tensor: Any) -> str:  # noqa: ANN401  a Keras tensor
    """The name of the layer that makes a symbolic tensor."""
    history = tensor._keras_history  # noqa: SLF001  there is no public way
    return str((getattr(history, "operation", None) and history.operation.name) or history.layer.name)


def _by_name(samples: Any, names: Sequence[str]) -> dict[str, NDArray[Any]]:  # noqa: ANN401  see record
    if isinstance(samples, Mapping):
        if set(samples) != set(names):
            raise ValueError(f"the samples are {sorted(samples)}; the model takes {list(names)}")
        return {name: np.asarray(samples[name]) for name in names}
    listed = samples if isinstance(samples, list | tuple) and len(names) > 1 else [samples]
    if len(listed) != len(names):
        raise ValueError(f"{len(listed)} arrays came; the model takes {list(names)}")
    return {name: np.asarray(array) for name, array in zip(names, listed, strict=True)}


def _answer(model: Any, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:  # noqa: ANN401
    by_name = isinstance(getattr(model, "_inputs_struct", None), Mapping)
    given: Any = dict(inputs) if by_name else list(inputs.values())
    if not by_name and len(inputs) == 1:
        given = given[0]
    answer = model(given, training=False)
    if isinstance(answer, Mapping):
        return {str(key): np.asarray(answer[key]) for key in sorted(answer)}
    arrays = [np.asarray(each) for each in (answer if isinstance(answer, list | tuple) else [answer])]
    return dict(zip(_output_names(model, len(arrays)), arrays, strict=True))


def _output_names(model: Any, count: int) -> list[str]:  # noqa: ANN401  a Keras model
    tensors = getattr(model, "outputs", None) or []
    names = [_layer(tensor) for tensor in tensors] or [model.layers[-1].name]
    if len(names) != count:
        raise ValueError(f"the model answers {count} arrays and names {len(names)}")
    return public_names(names)


def _write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write beside the path, then move: a reader never sees half a file."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as stream:
        written = Path(stream.name)
        try:
            _write_arrays(stream, arrays)
            stream.close()
            written.chmod(0o666 & ~_umask())
            written.replace(path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise


def _write_arrays(stream: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write like ``np.savez_compressed``, which cannot write an array named ``file``."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _umask() -> int:
    """The permission bits that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
