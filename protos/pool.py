"""The descriptor pool that holds every message of this package, and nothing else.

Protobuf's default pool belongs to the whole process: two packages that register one name in it clash at
import. Many register ``inference.ModelInferRequest`` or ``tensorflow.TensorProto``, so ours stay out of it.
"""

from typing import Final

from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.descriptor_pool import DescriptorPool

POOL: Final = DescriptorPool()
"""Pass it to grpc-reflection, and to anything else that looks a message up by its full name."""

for _well_known in (any_pb2, wrappers_pb2):
    # A pool resolves imports within itself alone.
    POOL.AddSerializedFile(_well_known.DESCRIPTOR.serialized_pb)
