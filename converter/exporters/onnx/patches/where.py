"""Makes tf2onnx convert ``where`` to Where."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tf2onnx.onnx_opset.controlflow import Select


@contextmanager
def where_as_where() -> Iterator[None]:
    """Make tf2onnx write ``where(c, x, y)`` as ``Where(c, x, y)`` in this block.

    It would write ``c * x + (1 - c) * y``, which is NaN where the value that is not chosen is infinite or NaN:
    ``where(x > 0, log(x), 0)`` would be NaN for every x that is not positive. The change affects the whole
    process: convert in one thread.
    """
    original = Select.__dict__["version_7"]

    def write_where(cls: type[Select], ctx: Any, node: Any, /, **kwargs: Any) -> None:  # noqa: ANN401  of tf2onnx
        node.set_attr("handles_nan", 1)  # the mark of tf2onnx for nodes for which the sum is wrong
        cls.version_9(ctx, node, **kwargs)

    Select.version_7 = classmethod(write_where)
    try:
        yield
    finally:
        Select.version_7 = original
