"""Writes ``config.pbtxt``, in which Triton and our server read the inputs and outputs of a model in a repository.

It states what both would find out by themselves, so that you can read and change it:

    backend: "onnxruntime"
    max_batch_size: 64
    input { name: "image" data_type: TYPE_FP32 dims: [8, 8, 1] }
    output { name: "digit" data_type: TYPE_FP32 dims: [10] }
    dynamic_batching {}
"""

import hashlib
import json
from collections.abc import Sequence

from converter.signature import TensorSpec

BACKENDS = {"onnx": "onnxruntime"}
"""Triton's backend for a target. It has none for TFLite, and lays out SavedModels unlike TensorFlow Serving."""

MAX_BATCH_SIZE = 64
"""Rows of a batch; our server derives the same number for a model that takes any batch."""

_TYPES = {
    "bool": "BOOL",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "bfloat16": "BF16",
    "string": "STRING",
}

_NOTE = "# Written by convert. Once you change it, it is yours, and convert leaves it alone."
_MARK = "# sha256 of the lines below: "


def config(
    target: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], *, joins: bool
) -> str | None:
    """The text of the file for an artefact.

    Args:
        target: Its format.
        inputs: Its inputs, as it states them.
        outputs: Its outputs, as it states them.
        joins: Whether its rows are proved independent, so that a server may join requests in one batch.

    Returns:
        The text; None where Triton has no backend, or where the batch is the only axis of a tensor: Triton then needs
        a ``reshape``, and derives it best by itself.
    """
    backend = BACKENDS.get(target)
    specs = (*inputs, *outputs)
    batched = all(spec.shape[:1] == (None,) for spec in specs)
    if backend is None or any(len(spec.shape) <= batched for spec in specs):
        return None
    lines = [f'backend: "{backend}"', f"max_batch_size: {MAX_BATCH_SIZE if batched else 0}"]
    lines += [f"input {_tensor(spec, batched=batched)}" for spec in inputs]
    lines += [f"output {_tensor(spec, batched=batched)}" for spec in outputs]
    if batched and joins:
        lines.append("dynamic_batching {}")
    body = "".join(f"{line}\n" for line in lines)
    return f"{_NOTE}\n{_MARK}{_digest(body)}\n{body}"


def is_ours(text: str) -> bool:
    """Whether a ``config.pbtxt`` was written by ``convert`` and not changed since."""
    head, mark, rest = text.partition(_MARK)
    digest, _, body = rest.partition("\n")
    return bool(mark) and head == f"{_NOTE}\n" and digest == _digest(body)


def _tensor(spec: TensorSpec, *, batched: bool) -> str:
    sizes = spec.shape[1:] if batched else spec.shape
    dims = ", ".join("-1" if size is None else str(size) for size in sizes)
    # JSON escapes quotes and backslashes as the text format of protobuf does.
    name = json.dumps(spec.name, ensure_ascii=False)
    return f"{{ name: {name} data_type: TYPE_{_TYPES[spec.dtype]} dims: [{dims}] }}"


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
