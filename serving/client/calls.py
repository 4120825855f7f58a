"""What both clients do, written once: which calls an operation makes, and when a failed call is tried again.

An operation is a generator that does no I/O. It yields what is to be done next, a call or a pause. A client does it,
blocking or awaiting, and sends the response back or throws the error in:

    operation          yields Call(method, request, seconds)   <- response, or grpc.RpcError
                       yields Pause(seconds)                   <- None
                       returns the result
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import grpc

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.client.answer import Answer
from serving.client.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
    server_error,
)
from serving.client.metadata import ModelMetadata, from_wire
from serving.client.request import Inputs, Parameter, build
from serving.client.retry import ONCE, Retry

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is to be made.

    Attributes:
        method: The method of the stub.
        request: Its message.
        seconds: The timeout.
    """

    method: Callable[..., Any]
    request: object
    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause before the next attempt.

    Attributes:
        seconds: How long it is.
    """

    seconds: float


Operation: TypeAlias = Generator[Call | Pause, Any, Result]


class Calls:
    """The operations of one client.

    Args:
        channel: The channel, blocking or asynchronous.
        timeout: Seconds for an operation that does not name its own.
        retry: When a call is tried again.
        encrypted: Whether the channel uses TLS.
    """

    def __init__(
        self,
        channel: Any,  # noqa: ANN401  of either kind
        timeout: float,
        retry: Retry | None,
        *,
        encrypted: bool,
    ) -> None:
        self._stub = GRPCInferenceServiceStub(channel)
        self._timeout = timeout
        self._retry = retry or Retry()
        self._encrypted = encrypted
        self._metadata: dict[tuple[str, str], ModelMetadata] = {}

    def is_live(self, timeout: float | None) -> Operation[bool]:
        """Whether the server answers."""
        try:
            reply: pb.ServerLiveResponse = yield from self._call(
                self._stub.ServerLive, pb.ServerLiveRequest(), timeout, ONCE
            )
        except (UnavailableError, DeadlineExceededError):
            return False
        return reply.live

    def is_ready(self, timeout: float | None) -> Operation[bool]:
        """Whether the server takes inference requests."""
        try:
            reply: pb.ServerReadyResponse = yield from self._call(
                self._stub.ServerReady, pb.ServerReadyRequest(), timeout, ONCE
            )
        except (UnavailableError, DeadlineExceededError):
            return False
        return reply.ready

    def model_ready(self, model: str, version: str, timeout: float | None) -> Operation[bool]:
        """Whether a model answers."""
        request = pb.ModelReadyRequest(name=model, version=version)
        try:
            reply: pb.ModelReadyResponse = yield from self._call(
                self._stub.ModelReady, request, timeout, ONCE
            )
        except (NotFoundError, UnavailableError, DeadlineExceededError):
            return False
        return reply.ready

    def metadata(self, model: str, version: str, timeout: float | None) -> Operation[ModelMetadata]:
        """A model's inputs and outputs; they are kept for later requests."""
        request = pb.ModelMetadataRequest(name=model, version=version)
        reply: pb.ModelMetadataResponse = yield from self._call(
            self._stub.ModelMetadata, request, timeout, self._retry
        )
        found = self._metadata[model, version] = from_wire(reply)
        return found

    def infer(
        self,
        model: str,
        inputs: Inputs,
        *,
        version: str,
        outputs: Sequence[str],
        parameters: Mapping[str, Parameter] | None,
        request_id: str,
        timeout: float | None,
    ) -> Operation[Answer]:
        """Run a model; see :meth:`serving.client.Client.infer`."""
        deadline = self._deadline(timeout)
        known = self._metadata.get((model, version))
        if known is None:
            known = yield from self.metadata(model, version, timeout)
        request = build(
            known,
            inputs,
            version=version,
            outputs=outputs,
            parameters=parameters or {},
            request_id=request_id,
        )
        try:
            left = deadline - time.monotonic()
            reply = yield from self._call(self._stub.ModelInfer, request, left, self._retry)
            return Answer(reply)
        except (InvalidArgumentError, NotFoundError):
            self._metadata.pop((model, version), None)
            raise

    def _call(
        self, method: Callable[..., Any], request: object, timeout: float | None, retry: Retry
    ) -> Operation[Any]:
        """Make a call, again and again until it succeeds or must not be tried again."""
        deadline = self._deadline(timeout)
        attempt = 0
        while True:
            attempt += 1
            try:
                return (yield Call(method, request, max(0.0, deadline - time.monotonic())))
            except grpc.RpcError as error:
                failure = server_error(error, encrypted=self._encrypted)
                pause = retry.pause(attempt, failure, deadline - time.monotonic())
                if pause is None:
                    raise failure from error
            yield Pause(pause)

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + (self._timeout if timeout is None else timeout)
