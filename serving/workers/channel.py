"""How the supervisor and a worker talk: calls and answers in JSON over a socket, in both directions.

Each message is four bytes of length, most significant first, and a JSON object:

    {"call": 7, "name": "load", "arguments": {...}}
    {"answer": 7, "value": ...}    {"answer": 7, "error": "ModelNotFoundError", "text": "..."}

Calls do not wait for each other. When either side ends, the other sees the end of the stream.
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


class LinkLostError(Exception):
    """The other side is gone."""


class Link:
    """One end of a link.

    Args:
        reader: What comes from the other side.
        writer: What goes there.
        handlers: What answers the other side's calls, by name.
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
    async def over(cls, end: socket.socket, handlers: Mapping[str, Handler]) -> "Link":
        """A link over one end of a pair of sockets."""
        return cls(*await asyncio.open_connection(sock=end), handlers)

    async def call(self, name: str, /, **arguments: object) -> Any:  # noqa: ANN401  whatever JSON holds
        """Have the other side do something.

        Raises:
            LinkLostError: It is gone, or went before it answered.
            ServingError: What it raised.
        """
        if self._reader.at_eof() or self._writer.is_closing():
            raise LinkLostError
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"call": number, "name": name, "arguments": arguments})
            return await answer
        finally:
            del self._waiting[number]

    async def run(self) -> None:
        """Read what comes until the other side is gone, or makes no sense."""
        try:
            while True:
                length = int.from_bytes(await self._reader.readexactly(4), "big")
                self._take(json.loads(await self._reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        except Exception:
            log.exception("what came from the other side makes no sense")
        finally:
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(LinkLostError())

    def _take(self, message: Mapping[str, Any]) -> None:
        if "call" in message:
            task = asyncio.create_task(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        answer = self._waiting.get(message["answer"])
        if answer is None or answer.done():
            # Whoever asked has given up.
            return
        if "error" in message:
            answer.set_exception(getattr(errors, message["error"])(message["text"]))
        else:
            answer.set_result(message["value"])

    async def _answer(self, message: Mapping[str, Any]) -> None:
        told: dict[str, Any] = {"answer": message["call"]}
        try:
            told["value"] = await self._handlers[message["name"]](**message["arguments"])
        except errors.ServingError as error:
            told |= {"error": type(error).__name__, "text": str(error)}
        except Exception as error:
            # The same as a request that fails so: the log has the traceback, nobody else.
            log.exception("'%s' failed", message["name"])
            told |= {"error": errors.InternalError.__name__, "text": f"{type(error).__name__}: {error}"}
        self._send(told)

    def _send(self, message: Mapping[str, Any]) -> None:
        if not self._writer.is_closing():
            data = json.dumps(message).encode()
            self._writer.write(len(data).to_bytes(4, "big") + data)
