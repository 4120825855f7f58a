"""The asynchronous client."""
# ruff: noqa: ASYNC109  the deadline is sent to the server, which a timeout scope around the call would not do

import asyncio
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
from serving.endpoint.client_credentials import bearer

Result = TypeVar("Result")


class AsyncClient:
    """Calls a server of the Open Inference Protocol; made and used within one event loop.

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
        self._channel = (
            grpc.aio.secure_channel(target, credentials, options)
            if credentials
            else grpc.aio.insecure_channel(target, options)
        )
        self._calls = Calls(self._channel, timeout, retry, encrypted=credentials is not None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls in progress are cancelled."""
        await self._channel.close()

    async def is_live(self, *, timeout: float | None = None) -> bool:
        """Whether the server answers; asked once. False if it cannot be reached."""
        return await self._run(self._calls.is_live(timeout))

    async def is_ready(self, *, timeout: float | None = None) -> bool:
        """Whether the server takes inference requests; asked once. False if it cannot be reached."""
        return await self._run(self._calls.is_ready(timeout))

    async def model_ready(self, model: str, version: str = "", *, timeout: float | None = None) -> bool:
        """Whether a model answers; asked once. False if there is none, or the server cannot be reached."""
        return await self._run(self._calls.model_ready(model, version, timeout))

    async def metadata(self, model: str, version: str = "", *, timeout: float | None = None) -> ModelMetadata:
        """A model's inputs and outputs, fetched anew; see :meth:`serving.client.Client.metadata`."""
        return await self._run(self._calls.metadata(model, version, timeout))

    async def infer(
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
        """Run a model; see :meth:`serving.client.Client.infer`."""
        return await self._run(
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

    async def _run(self, operation: Operation[Result]) -> Result:
        """Do what an operation yields, until it returns."""
        try:
            step = next(operation)
            while True:
                if not isinstance(step, Call):
                    await asyncio.sleep(step.seconds)
                    step = operation.send(None)
                    continue
                try:
                    response = await step.method(step.request, timeout=step.seconds, metadata=self._bearer)
                except grpc.aio.AioRpcError as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(response)
        except StopIteration as end:
            result: Result = end.value
            return result
