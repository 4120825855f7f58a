"""TensorFlow's types, and the fields of ``TensorProto`` that hold their elements, for each datatype."""

from protos import tensorflow_core_pb2 as core
from serving.datatypes import BF16, BYTES

TYPES = {
    "BOOL": core.DT_BOOL,
    "UINT8": core.DT_UINT8,
    "UINT16": core.DT_UINT16,
    "UINT32": core.DT_UINT32,
    "UINT64": core.DT_UINT64,
    "INT8": core.DT_INT8,
    "INT16": core.DT_INT16,
    "INT32": core.DT_INT32,
    "INT64": core.DT_INT64,
    "FP16": core.DT_HALF,
    "FP32": core.DT_FLOAT,
    "FP64": core.DT_DOUBLE,
    BF16: core.DT_BFLOAT16,
    BYTES: core.DT_STRING,
}
"""TensorFlow's type for each datatype of the Open Inference Protocol."""

FIELDS = {
    "BOOL": "bool_val",
    "UINT8": "int_val",
    "UINT16": "int_val",
    "UINT32": "uint32_val",
    "UINT64": "uint64_val",
    "INT8": "int_val",
    "INT16": "int_val",
    "INT32": "int_val",
    "INT64": "int64_val",
    "FP16": "half_val",
    "FP32": "float_val",
    "FP64": "double_val",
    BF16: "half_val",
    BYTES: "string_val",
}
"""The repeated field that holds a datatype's elements. 16-bit floats are stored as their bit patterns."""
