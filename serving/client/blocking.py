"""The blocking client."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import grpc

from serving.client.answer import Answer
from serving.client.calls import Call, Calls, Operation
from serving.client.channel import channel_options, check_address
from serving.client.metadata import ModelMetadata
from serving.client.request import Inputs, Parameter
from serving.client.retry import Retry
from serving.endpoint.client_credentials import bearer, channel

Result = TypeVar("Result")


class Client:
    """Calls a server of the Open Inference Protocol; threads may share it.

    Args:
        address: ``host:port``, ``host`` for port 8001, or another form that gRPC resolves.
        timeout: Seconds for a call with all its attempts, unless the call has a timeout of its own.
        retry: When to try a call again if the server is unavailable or asks for that.
        credentials: TLS, from :func:`serving.client.tls`; without them the connection is not encrypted.
        token: A bearer token. If the connection is not encrypted, others on the network can read it.
        server_name: The name in the server's certificate, if it differs from the address.

    Raises:
        AddressError: The address is not a gRPC address; the text says what to write.
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
        self._bearer = bearer(token)
        self._channel = channel(target, credentials, options)
        self._calls = Calls(self._channel, timeout, retry, encrypted=credentials is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls in progress are cancelled."""
        self._channel.close()

    def is_live(self, *, timeout: float | None = None) -> bool:
        """Whether the server answers; asked once. False if it cannot be reached."""
        return self._run(self._calls.is_live(timeout))

    def is_ready(self, *, timeout: float | None = None) -> bool:
        """Whether the server takes inference requests; asked once. False if it cannot be reached."""
        return self._run(self._calls.is_ready(timeout))

    def model_ready(self, model: str, version: str = "", *, timeout: float | None = None) -> bool:
        """Whether a model answers; asked once. False if there is none, or the server cannot be reached."""
        return self._run(self._calls.model_ready(model, version, timeout))

    def metadata(self, model: str, version: str = "", *, timeout: float | None = None) -> ModelMetadata:
        """A model's inputs and outputs, fetched anew.

        Args:
            model: Its name.
            version: Its version; empty for the server's choice.
            timeout: Seconds; that of the client if None.

        Raises:
            ServerError: The server refused the call, or cannot be reached.
        """
        return self._run(self._calls.metadata(model, version, timeout))

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
            version: Its version; empty for the server's choice.
            outputs: Names of the outputs to send back; all of them if empty.
            parameters: Parameters of the request, such as ``priority``.
            request_id: An id that is repeated in the answer and in the server's log.
            timeout: Seconds for the whole operation; that of the client if None.

        Returns:
            Output arrays by name. Arrays of numbers are read-only views of the message.

        Raises:
            InputError: The inputs do not fit the model; nothing was sent.
            ServerError: The server refused the call, or cannot be reached.
            AnswerError: The answer contradicts itself.
        """
        return self._run(
            self._calls.infer(
                model,
                inputs,
                version=version,
                outputs=outputs,
                parameters=parameters,
                request_id=request_id,
                timeout=timeout,
            )
        )

    def _run(self, operation: Operation[Result]) -> Result:
        """Do what an operation yields, until it returns."""
        try:
            step = next(operation)
            while True:
                if not isinstance(step, Call):
                    time.sleep(step.seconds)
                    step = operation.send(None)
                    continue
                try:
                    response = step.method(step.request, timeout=step.seconds, metadata=self._bearer)
                except grpc.RpcError as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(response)
        except StopIteration as end:
            result: Result = end.value
            return result
