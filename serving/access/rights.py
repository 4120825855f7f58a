"""Which right each method of each service needs: the one table."""

from enum import IntEnum


class Right(IntEnum):
    """What a caller may do. A higher right includes the lower ones."""

    NONE = 0
    """Needs no token: ask whether the server and its models are ready. Probes have no tokens."""

    INFERENCE = 1
    """Run models, and read their metadata and state."""

    ADMINISTRATION = 2
    """Change which models are served, shared memory, and log settings."""


_METHODS = {
    "grpc.health.v1.Health": {
        Right.NONE: "Check List Watch",
    },
    "inference.GRPCInferenceService": {
        Right.NONE: "ServerLive ServerReady",
        Right.INFERENCE: """
            ModelReady ServerMetadata ModelMetadata ModelInfer ModelStreamInfer ModelConfig ModelStatistics
            RepositoryIndex SystemSharedMemoryStatus CudaSharedMemoryStatus""",
        # One method both reads and changes settings, so reading them needs the right to change them.
        Right.ADMINISTRATION: """
            RepositoryModelLoad RepositoryModelUnload
            SystemSharedMemoryRegister SystemSharedMemoryUnregister
            CudaSharedMemoryRegister CudaSharedMemoryUnregister
            TraceSetting LogSettings""",
    },
    "tensorflow.serving.PredictionService": {
        Right.INFERENCE: "Classify Regress Predict MultiInference GetModelMetadata",
    },
    "tensorflow.serving.ModelService": {
        Right.INFERENCE: "GetModelStatus",
        Right.ADMINISTRATION: "HandleReloadConfigRequest",
    },
    "tensorflow.serving.SessionService": {
        Right.INFERENCE: "SessionRun",
    },
    "grpc.reflection.v1.ServerReflection": {
        Right.INFERENCE: "ServerReflectionInfo",
    },
    "grpc.reflection.v1alpha.ServerReflection": {
        Right.INFERENCE: "ServerReflectionInfo",
    },
}

NEEDED: dict[str, Right] = {
    f"/{service}/{method}": right
    for service, rights in _METHODS.items()
    for right, methods in rights.items()
    for method in methods.split()
}
"""The right that each method needs, by ``/service/method``."""


def needed(method: str) -> Right:
    """The right that a method needs. A method that is not in the table needs the highest.

    Args:
        method: ``/service/method``, as it comes over the wire.
    """
    return NEEDED.get(method, Right.ADMINISTRATION)
