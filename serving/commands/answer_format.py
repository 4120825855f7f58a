"""Formats an answer: a table for people, tab-separated lines for pipes, one JSON object for programs.

Control characters in names and strings, which come from the server, are escaped.
"""

import itertools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from serving.client.answer import Answer
from serving.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

MOST_ROWS: Final = 20


def as_json(answer: Answer) -> str:
    """One object: model, version, and each output's dtype, shape and nested data.

    JSON has no NaN and no infinity; they are the strings "NaN", "Infinity" and "-Infinity".
    """
    outputs = {
        name: {"dtype": _dtype(array), "shape": list(array.shape), "data": _plain(array.tolist())}
        for name, array in answer.items()
    }
    text = json.dumps({"model": answer.model, "version": answer.version, "outputs": outputs}, allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # the one control character that JSON leaves as it is


def as_lines(answer: Answer) -> Iterator[str]:
    """A line of names, then a line for each row of the batch: outputs between tabs, values between spaces."""
    yield "\t".join(map(printable, answer))
    for row in itertools.zip_longest(*(_rows(array) for array in answer.values())):
        yield "\t".join("" if cell is None else " ".join(map(_text, cell.ravel())) for cell in row)


def as_table(answer: Answer) -> "Table":
    """A table of the first rows; of outputs with several numbers it also says where the largest stands."""
    from rich.markup import escape  # noqa: PLC0415  pipes and JSON need none of it
    from rich.table import Table  # noqa: PLC0415

    caption = f"rows: {max((len(_rows(array)) for array in answer.values()), default=0)}"
    table = Table(title=escape(printable(f"{answer.model}, version {answer.version}")), caption=caption)
    table.add_column("row", justify="right")
    for name, array in answer.items():
        table.add_column(escape(f"{printable(name)}\n{_dtype(array)} {list(array.shape)}"))
        if _has_largest(array):
            table.add_column("largest at", justify="right")
    columns = (list(_cells(array)) for array in answer.values())
    for index, row in enumerate(itertools.zip_longest(*columns)):
        cells = itertools.chain.from_iterable(cell or ("",) for cell in row)
        table.add_row(str(index), *(escape(cell) for cell in cells))
    return table


def _rows(array: NDArray[Any]) -> NDArray[Any]:
    return array.reshape(1) if array.ndim == 0 else array


def _has_largest(array: NDArray[Any]) -> bool:
    return array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind == "f"


def _cells(array: NDArray[Any]) -> Iterator[tuple[str, ...]]:
    for row in _rows(array)[:MOST_ROWS]:
        short = np.array2string(np.asarray(row), precision=4, threshold=12, edgeitems=3, separator=" ")
        yield (short, str(int(np.argmax(row)))) if _has_largest(array) else (short,)


def _dtype(array: NDArray[Any]) -> str:
    return "bytes" if array.dtype == np.object_ else array.dtype.name


def _text(value: object) -> str:
    return (
        printable(json.dumps(_plain(value), ensure_ascii=False)) if isinstance(value, bytes) else str(value)
    )


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
