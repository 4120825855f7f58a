"""Sends requests as bytes, and keeps everything that a client can see of each answer."""

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Self

import grpc
from patience import PATIENCE

SEPARATE = [("grpc.use_local_subchannel_pool", 1)]
"""Channels with this option have a connection each."""

IN_FLIGHT = 48
"""Calls at the same time, fewer than may wait for a model."""


LOST_BY_CLIENT = "Internal error from Core"
"""The status text that grpc.aio makes up when a message could not be sent; no server says it."""


class Request(NamedTuple):
    """A call of a method with one request and one response.

    Attributes:
        method: Its path.
        data: The message.
        compression: How the client compresses it.
    """

    method: str
    data: bytes
    compression: grpc.Compression = grpc.Compression.NoCompression


class Outcome(NamedTuple):
    """What a client can see of an answer.

    Attributes:
        code: The name of the status.
        text: The message of the status.
        answers: The messages.
        headers: The initial metadata.
        trailers: The trailing metadata.
    """

    code: str
    text: str
    answers: tuple[bytes, ...]
    headers: tuple
    trailers: tuple


class Client:
    """Several connections to a server.

    Args:
        address: The server.
        connections: How many.
    """

    def __init__(self, address: str, connections: int = 1) -> None:
        self._channels = [grpc.aio.insecure_channel(address, options=SEPARATE) for _ in range(connections)]
        self._turns = itertools.cycle(self._channels)

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(channel.channel_ready() for channel in self._channels))
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels))

    async def ask(self, request: Request, seconds: float = PATIENCE) -> Outcome:
        """Send a request, on the connection whose turn it is."""
        method = next(self._turns).unary_unary(request.method)
        call = method(request.data, timeout=seconds, compression=request.compression)
        try:
            answers = (await call,)
        except grpc.aio.AioRpcError:
            answers = ()
        return await _outcome(call, answers)

    async def stream(self, method: str, messages: Sequence[bytes], seconds: float = PATIENCE) -> Outcome:
        """Send messages on a stream, end it, and read all answers.

        When the server ends the call before all is sent, grpc.aio may lose what the server said; the stream is then
        sent again.
        """
        for _ in range(50):
            call = next(self._turns).stream_stream(method)(iter(messages), timeout=seconds)
            answers = []
            with suppress(grpc.aio.AioRpcError):
                async for answer in call:
                    answers.append(answer)  # noqa: PERF401  those before an error count too
            outcome = await _outcome(call, tuple(answers))
            if outcome.text != LOST_BY_CLIENT:
                return outcome
        raise AssertionError(f"{method}: each time {LOST_BY_CLIENT!r}")

    async def cancelled(self, request: Request, after: float) -> Outcome:
        """Send a request, and cancel it after so many seconds."""
        call = next(self._turns).unary_unary(request.method)(request.data, timeout=PATIENCE)
        await asyncio.sleep(after)
        call.cancel()
        with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await call
        return await _outcome(call, ())

    async def ask_all(self, requests: Sequence[Request]) -> list[Outcome]:
        """Send requests at the same time, as many as may be in flight; their outcomes in order."""
        room = asyncio.Semaphore(IN_FLIGHT)

        async def ask(request: Request) -> Outcome:
            async with room:
                return await self.ask(request)

        return await asyncio.gather(*map(ask, requests))

    async def ask_in_turn(self, requests: Sequence[Request]) -> list[Outcome]:
        """Send each request when the one before it is answered."""
        return [await self.ask(each) for each in requests]


def repeated(requests: Mapping[str, Request], times: int) -> list[str]:
    """The name of each request so many times in a row."""
    return [name for name in requests for _ in range(times)]


def shuffled(requests: Mapping[str, Request], times: int, seed: int = 1) -> list[str]:
    """The name of each request so many times, mixed."""
    names = repeated(requests, times)
    random.Random(seed).shuffle(names)  # noqa: S311  the same order each time
    return names


async def _outcome(call: grpc.aio.Call, answers: tuple[bytes, ...]) -> Outcome:
    code = await call.code()
    return Outcome(
        code.name,
        await call.details() or "",
        answers,
        tuple(await call.initial_metadata() or ()),
        tuple(sorted(map(tuple, await call.trailing_metadata() or ()))),
    )
