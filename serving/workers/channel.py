"""A channel between the supervisor and a worker: calls and answers in JSON over a socket, in both directions.

Each message is four bytes of length, most significant first, and a JSON object:

    {"call": 7, "name": "load", "arguments": {...}}
    {"answer": 7, "value": ...}    {"answer": 7, "error": "ModelNotFoundError", "text": "..."}

Calls do not wait for each other. When one side ends, the other reads the end of the stream.
"""

import asyncio
import itertools
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from serving import errors

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[..., Awaitable[Any]]


class ChannelClosedError(Exception):
    """The other side has ended."""


class Channel:
    """One end of a channel.

    Args:
        reader: Reads from the other side.
        writer: Writes to the other side.
        handlers: Answer the calls of the other side, by name.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Mapping[str, Handler]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handlers = handlers
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def over(cls, end: socket.socket, handlers: Mapping[str, Handler]) -> "Channel":
        """A channel over one end of a pair of sockets."""
        return cls(*await asyncio.open_connection(sock=end), handlers)

    async def call(self, name: str, /, **arguments: object) -> Any:  # noqa: ANN401  any JSON value
        """Call the other side.

        Raises:
            ChannelClosedError: It has ended, or ended before it answered.
            ServingError: The error that it raised.
        """
        if self._reader.at_eof() or self._writer.is_closing():
            raise ChannelClosedError
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"call": number, "name": name, "arguments": arguments})
            return await answer
        finally:
            del self._waiting[number]

    async def run(self) -> None:
        """Read calls and answers until the other side has ended, or sends something invalid."""
        try:
            while True:
                length = int.from_bytes(await self._reader.readexactly(4), "big")
                self._receive(json.loads(await self._reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        except Exception:
            log.exception("what came from the other side makes no sense")
        finally:
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ChannelClosedError())

    def _receive(self, message: Mapping[str, Any]) -> None:
        if "call" in message:
            task = asyncio.create_task(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        answer = self._waiting.get(message["answer"])
        if answer is None or answer.done():
            # The caller was cancelled.
            return
        if "error" in message:
            answer.set_exception(getattr(errors, message["error"])(message["text"]))
        else:
            answer.set_result(message["value"])

    async def _answer(self, message: Mapping[str, Any]) -> None:
        reply: dict[str, Any] = {"answer": message["call"]}
        try:
            reply["value"] = await self._handlers[message["name"]](**message["arguments"])
        except errors.ServingError as error:
            reply |= {"error": type(error).__name__, "text": str(error)}
        except Exception as error:
            # As for a request that fails like this, the traceback is only in the log.
            log.exception("'%s' failed", message["name"])
            reply |= {"error": errors.InternalError.__name__, "text": f"{type(error).__name__}: {error}"}
        self._send(reply)

    def _send(self, message: Mapping[str, Any]) -> None:
        if not self._writer.is_closing():
            data = json.dumps(message).encode()
            self._writer.write(len(data).to_bytes(4, "big") + data)
