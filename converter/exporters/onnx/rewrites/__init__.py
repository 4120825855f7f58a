"""Simplifies the main graph that tf2onnx produces, one rewrite a file.

Every rewrite keeps the values bit for bit, except the sign of a zero. It takes a model, changes it in place where it
matches, and returns whether it did; unused nodes may remain.
"""

import onnx

from converter.exporters.onnx.rewrites.cancel_transposes import cancel_transposes
from converter.exporters.onnx.rewrites.fix_reshapes import fix_reshapes
from converter.exporters.onnx.rewrites.skip_neutral import skip_neutral
from converter.exporters.onnx.rewrites.unwrap_indices import unwrap_indices

__all__ = ["REWRITES", "simplify"]

REWRITES = (skip_neutral, fix_reshapes, cancel_transposes, unwrap_indices)


def simplify(proto: onnx.ModelProto) -> None:
    """Apply all rewrites, in place, until none applies."""
    while sum(rewrite(proto) for rewrite in REWRITES):
        pass
