"""The client that blocks."""

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import grpc

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.client.answer import Answer
from serving.client.channel import channel_options, check_address
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
from serving.endpoint.client_credentials import bearer, channel

Reply = TypeVar("Reply")


class Client:
    """Calls a server of the Open Inference Protocol; threads may share it.

    Args:
        address: ``host:port``, ``host`` for port 8001, or another form that gRPC resolves.
        timeout: Seconds for a call with all its attempts, unless the call names its own.
        retry: How persistent to be when the server is unavailable or asks to be tried again.
        credentials: TLS, from :func:`serving.client.tls`; without them the connection is plain.
        token: What tells the server who asks; over a plain connection all on the way can read it.
        server_name: The name in the server's certificate, if it is another than in the address.

    Raises:
        AddressError: The address is no gRPC address; the text says what to write.
        CredentialsError: The token cannot be sent.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = 30.0,
        retry: Retry | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
        server_name: str = "",
    ) -> None:
        target, options = check_address(address), channel_options(server_name)
        self._encrypted = credentials is not None
        self._bearer = bearer(token)
        self._channel = channel(target, credentials, options)
        self._stub = GRPCInferenceServiceStub(self._channel)
        self._timeout = timeout
        self._retry = retry or Retry()
        self._metadata: dict[tuple[str, str], ModelMetadata] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; calls that are under way are cancelled."""
        self._channel.close()

    def is_live(self, *, timeout: float | None = None) -> bool:
        """Whether the server answers; asked once. False if it cannot be reached."""
        try:
            reply: pb.ServerLiveResponse = self._call(
                self._stub.ServerLive, pb.ServerLiveRequest(), timeout, ONCE
            )
        except (UnavailableError, DeadlineExceededError):
            return False
        return reply.live

    def is_ready(self, *, timeout: float | None = None) -> bool:
        """Whether the server takes inference requests; asked once. False if it cannot be reached."""
        try:
            reply: pb.ServerReadyResponse = self._call(
                self._stub.ServerReady, pb.ServerReadyRequest(), timeout, ONCE
            )
        except (UnavailableError, DeadlineExceededError):
            return False
        return reply.ready

    def model_ready(self, model: str, version: str = "", *, timeout: float | None = None) -> bool:
        """Whether a model answers; asked once. False if there is none, or the server cannot be reached."""
        request = pb.ModelReadyRequest(name=model, version=version)
        try:
            reply: pb.ModelReadyResponse = self._call(self._stub.ModelReady, request, timeout, ONCE)
        except (NotFoundError, UnavailableError, DeadlineExceededError):
            return False
        return reply.ready

    def metadata(self, model: str, version: str = "", *, timeout: float | None = None) -> ModelMetadata:
        """A model's inputs and outputs, fetched anew.

        Args:
            model: Its name.
            version: Which one; empty for the server's choice.
            timeout: Seconds; the client's own if None.

        Raises:
            ServerError: The server said no, or cannot be reached.
        """
        request = pb.ModelMetadataRequest(name=model, version=version)
        reply: pb.ModelMetadataResponse = self._call(self._stub.ModelMetadata, request, timeout, self._retry)
        found = self._metadata[model, version] = from_wire(reply)
        return found

    def infer(
        self,
        model: str,
        inputs: Inputs,
        *,
        version: str = "",
        outputs: Sequence[str] = (),
        parameters: Mapping[str, Parameter] | None = None,
        request_id: str = "",
        timeout: float | None = None,
    ) -> Answer:
        """Run a model.

        Args:
            model: Its name. Its metadata is fetched with the first request and kept until one is refused.
            inputs: Arrays by input name, or the one array of a model of one input. See
                :func:`serving.client.arrays.fit` for the types an input takes.
            version: Which one; empty for the server's choice.
            outputs: Names of the outputs to send back; all of them if empty.
            parameters: Parameters of the request, such as ``priority``.
            request_id: Comes back in the answer, and stands in the server's log.
            timeout: Seconds for everything; the client's own if None.

        Returns:
            Output arrays by name; those of numbers are views of the message and read-only.

        Raises:
            InputError: The inputs do not fit the model; nothing was sent.
            ServerError: The server said no, or cannot be reached.
            AnswerError: The answer contradicts itself.
        """
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        known = self._metadata.get((model, version)) or self.metadata(model, version, timeout=timeout)
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
            return Answer(self._call(self._stub.ModelInfer, request, left, self._retry))
        except (InvalidArgumentError, NotFoundError):
            self._metadata.pop((model, version), None)
            raise

    def _call(
        self, method: Callable[..., Reply], request: object, timeout: float | None, retry: Retry
    ) -> Reply:
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        attempt = 0
        while True:
            attempt += 1
            try:
                left = max(0.0, deadline - time.monotonic())
                return method(request, timeout=left, metadata=self._bearer)
            except grpc.RpcError as error:
                failure = server_error(error, encrypted=self._encrypted)
                pause = retry.pause(attempt, failure, deadline - time.monotonic())
                if pause is None:
                    raise failure from error
            time.sleep(pause)
