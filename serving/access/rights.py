"""Which right each method of each service needs: the one table."""

from enum import IntEnum


class Right(IntEnum):
    """What a caller may do; the higher includes the lower."""

    NONE = 0
    """What anyone may: ask whether the server and its models live. Probes have no tokens."""

    INFERENCE = 1
    """Run models, and read what they are and how they stand."""

    ADMINISTRATION = 2
    """Change what is served, shared memory and what is logged."""


_METHODS = {
    "grpc.health.v1.Health": {
        Right.NONE: "Check List Watch",
    },
    "inference.GRPCInferenceService": {
        Right.NONE: "ServerLive ServerReady",
        Right.INFERENCE: """
            ModelReady ServerMetadata ModelMetadata ModelInfer ModelStreamInfer ModelConfig ModelStatistics
            RepositoryIndex SystemSharedMemoryStatus CudaSharedMemoryStatus""",
        # TraceSetting and LogSettings read and change alike: who may call them may change.
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
    """The right that a method needs; of one that is not in the table, the highest.

    Args:
        method: ``/service/method``, as it comes over the wire.
    """
    return NEEDED.get(method, Right.ADMINISTRATION)
