"""Writes, as JSON, every operator that TensorFlow has, with the names of its arguments and attributes."""

import json
import sys

from tensorflow.core.framework.op_def_pb2 import OpList
from tensorflow.python.client import pywrap_tf_session as session

operators = OpList.FromString(session.TF_GetBuffer(session.TF_GetAllOpList())).op
json.dump(
    {
        each.name: {
            "arguments": [argument.name for argument in each.input_arg],
            "attributes": [attribute.name for attribute in each.attr],
        }
        for each in operators
    },
    sys.stdout,
)
