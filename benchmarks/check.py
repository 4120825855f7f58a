"""Checks the answers of a server with a gRPC client, before and after each measurement."""

from pathlib import Path

import grpc
import numpy as np

from benchmarks.load.sample import CallError, LoadError
from benchmarks.workloads import PREDICT, Prepared, Request
from protos import open_inference_pb2 as pb
from protos import tensorflow_serving_pb2 as serving

TIMEOUT = 20.0
TOLERANCE = 1e-4
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def check(address: str, prepared: Prepared, *, constant: bool, authority: Path | None) -> None:
    """Call a server with each request and compare its answers.

    Args:
        address: Where it listens.
        prepared: What it is asked, and the right answers.
        constant: Whether it answers with the same message always.
        authority: The certificate that it must be signed with; None without TLS.

    Raises:
        LoadError: An answer is missing or wrong.
    """
    with _channel(address, authority) as channel:
        for request in prepared.requests:
            try:
                answer = channel.unary_unary(request.path)(request.message, timeout=TIMEOUT)
            except grpc.RpcError as error:
                raise CallError(f"answers {error.code().name}: {error.details()}") from error
            if constant and answer != prepared.answer:
                raise LoadError("does not answer with the constant")
            if not constant and not _right(answer, request):
                raise LoadError("answers differ from onnxruntime's")


def _channel(address: str, authority: Path | None) -> grpc.Channel:
    if authority is None:
        return grpc.insecure_channel(address, UNLIMITED)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(authority.read_bytes()), UNLIMITED)


def _right(answer: bytes, request: Request) -> bool:
    found = _predicted(answer) if request.path == PREDICT else _inferred(answer)
    same_size: bool = found.size == request.expected.size
    return same_size and np.allclose(found, request.expected.ravel(), atol=TOLERANCE, rtol=TOLERANCE)


def _inferred(answer: bytes) -> np.ndarray:
    message = pb.ModelInferResponse.FromString(answer)
    if message.raw_output_contents:
        return np.frombuffer(message.raw_output_contents[0], np.float32)
    return np.array(message.outputs[0].contents.fp32_contents, np.float32)


def _predicted(answer: bytes) -> np.ndarray:
    (tensor,) = serving.PredictResponse.FromString(answer).outputs.values()
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, np.float32)
    return np.array(tensor.float_val, np.float32)
