"""Calls that the native front end carries, and what runs their handlers."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

from serving.transport.native import _frontend
from serving.transport.status_code import Code, Status
from serving.transport.transport import Call, Stream, Unary

log = logging.getLogger(__name__)

OK = Status(Code.OK, "")
FAILED = Status(Code.INTERNAL, "the server failed; its log says how")
EXPIRED = Status(Code.DEADLINE_EXCEEDED, "Deadline Exceeded")


class _NativeCall(Call):
    """What both kinds of calls ask of the front end's call.

    Args:
        call: The front end's call.
        sending: Called when something is to be sent.
    """

    def __init__(self, call: _frontend.Call, sending: Callable[[], None]) -> None:
        self._call = call
        self._sending = sending
        self._ended: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.deadline = call.deadline

    @property
    def peer(self) -> str:
        """The client's end of the connection, as gRPC names it."""
        return self._call.peer

    def on_end(self, ended: Callable[[], None]) -> None:
        """Have a function called once when the call is over."""
        if self._call.closed:
            ended()
            return
        self._ended.append(ended)
        self._call.owner = self

    def run(self, handler: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
        """Run the handler in a task. It is cancelled when the call ends before it does, or at the deadline."""
        self._call.owner = self
        self._task = loop.create_task(self._run(handler))
        if self.deadline is not None:
            self._timer = loop.call_at(self.deadline, self._expire)

    def changed(self) -> None:
        """Called by the transport when something happened to the call."""
        if not self._call.closed:
            return
        if self._task is not None:
            self._task.cancel()
        self._call.owner = None
        ended, self._ended = self._ended, []
        for each in ended:
            each()

    def settle(self, status: Status) -> None:
        """End the call behind what was sent."""
        self._call.end(status)
        self._sending()

    async def _run(self, handler: Coroutine[Any, Any, None]) -> None:
        try:
            await handler
        except Exception:
            log.exception("a handler failed")
            self.settle(FAILED)
        else:
            self._handled()
        finally:
            self._task = None
            if self._timer is not None:
                self._timer.cancel()
            if not self._ended:
                self._call.owner = None

    def _handled(self) -> None:
        """Called when the handler has returned."""

    def _expire(self) -> None:
        self.settle(EXPIRED)
        if self._task is not None:
            self._task.cancel()


class NativeUnary(_NativeCall, Unary):
    """A call with one request and one response."""

    def __init__(self, call: _frontend.Call, sending: Callable[[], None]) -> None:
        super().__init__(call, sending)
        self.message = call.message

    def answer(self, message: bytes) -> None:
        """Send the response."""
        self._call.answer(message)
        self._sending()

    def refuse(self, status: Status) -> None:
        """End the call with a status other than OK."""
        self.settle(status)

    def begin(self, handler: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
        """Run the handler without a task until it waits for something; most handlers of fast models never do."""
        try:
            awaited = handler.send(None)
        except StopIteration:
            return
        except Exception:
            log.exception("a handler failed")
            self.settle(FAILED)
            return
        self.run(_resumed(handler, awaited), loop)


class NativeStream(_NativeCall, Stream):
    """A call with any number of requests and responses."""

    def __init__(self, call: _frontend.Call, sending: Callable[[], None]) -> None:
        super().__init__(call, sending)
        self._status = OK
        self._changed = asyncio.Event()

    async def receive(self) -> bytes | None:
        """The next request; None when there are no more."""
        while (message := self._call.take()) is None:
            if self._call.complete:
                return None
            await self._change()
        self._sending()
        return message

    async def send(self, message: bytes) -> None:
        """Send a response. Returns when there is room for another."""
        room = self._call.send(message)
        self._sending()
        while not room:
            await self._change()
            room = self._call.room

    def refuse(self, status: Status) -> None:
        """End the call with a status once its handler returns."""
        self._status = status

    def changed(self) -> None:
        """Called by the transport when something happened to the call."""
        self._changed.set()
        super().changed()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _handled(self) -> None:
        self.settle(self._status)


@coroutine
def _resumed(handler: Coroutine[Any, Any, None], awaited: object) -> Generator[Any, Any, None]:
    """Continue a handler that waits, in a task: the task waits for what the handler waits for."""
    try:
        yield awaited
    except BaseException as error:  # noqa: BLE001  the handler's affair
        # The task was cancelled: that is for the handler to see, which may wait again.
        try:
            again = handler.throw(error)
        except StopIteration:
            return
        yield from _resumed(handler, again)
        return
    yield from handler.__await__()
