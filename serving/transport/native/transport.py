"""The transport that speaks HTTP/2 in C++ and hands over messages that repeat in batches."""

import asyncio
import binascii
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from time import monotonic

from serving.transport.limits import Limits
from serving.transport.native import _frontend
from serving.transport.native.calls import NativeStream, NativeUnary
from serving.transport.native.listeners import listeners
from serving.transport.native.loop import FrontEndLoop
from serving.transport.native.tls import TlsConnections
from serving.transport.status_code import Status
from serving.transport.tls import TlsSource
from serving.transport.transport import Admit, Batch, MessageTemplate, Method, Transport, UnaryMethod

log = logging.getLogger(__name__)

Batch.register(_frontend.Batch)

TICK = 0.1
"""Seconds between two looks at the clock on an event loop that knows nothing of front ends."""

FLUSH_SECONDS = 200e-6
"""The longest that an answer waits for others of the same turn, so that they share a write."""


class NativeTransport(Transport):
    """Connections and calls by the front end of :mod:`serving.transport.native._frontend`.

    Args:
        limits: What clients may do.
        tls: Certificates; None to speak without encryption.
        shared: Whether other processes listen on the same port.
    """

    def __init__(self, limits: Limits, tls: TlsSource | None = None, *, shared: bool = False) -> None:
        super().__init__()
        self._front = _frontend.FrontEnd(
            _limits(limits), self._admit, self._begin, TlsConnections(tls).make if tls is not None else None
        )
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._methods: list[Method] = []
        self._turning = False
        self._flushing = False
        self._ticking: asyncio.TimerHandle | None = None

    def serve(
        self,
        methods: Mapping[str, Method],
        admit: Admit,
        known: Iterable[str] = (),
        admits_all: Callable[[], bool] = lambda: False,
    ) -> None:
        """Say what answers calls."""
        self._asked = admit
        self._admits_all = admits_all
        for path, method in methods.items():
            number = self._front.add_method(path, not isinstance(method, UnaryMethod), True)  # noqa: FBT003  positional
            self._methods.append(method)
            if isinstance(method, UnaryMethod) and method.batches is not None:
                method.batches.remember = partial(self._remember, number)
        for path in set(known) - methods.keys():
            self._front.add_method(path, False, False)  # noqa: FBT003  positional

    async def start(self, host: str, port: int) -> int:
        """Listen, and take calls."""
        opened = listeners(host, port, shared=self._shared)
        chosen: int = opened[0].getsockname()[1]
        for each in opened:
            self._front.listen(each.detach())
        if isinstance(self._loop, FrontEndLoop):
            self._loop.attach(self._front, self._turn)
        else:
            self._loop.add_reader(self._front.fileno(), self._turn, 0.0)
            self._tick()
        return chosen

    def stop_listening(self) -> None:
        """Take no more connections."""
        self._front.stop_listening()

    async def goaway(self, seconds: float) -> None:
        """Tell all clients, in the two steps of HTTP/2, and wait until they have left."""
        self._front.shut_down()
        await self._until_left(lambda: self._front.connections, seconds)

    async def close(self) -> None:
        """End all calls and connections."""
        self._front.close()
        self._turn(0.0)
        if isinstance(self._loop, FrontEndLoop):
            self._loop.detach()
        else:
            self._loop.remove_reader(self._front.fileno())
        if self._ticking is not None:
            self._ticking.cancel()
        # Handlers whose calls were ended.
        await asyncio.sleep(0)

    def _turn(self, seconds: float) -> None:
        """Wait for sockets, and do what there is to do."""
        self._turning = True
        try:
            events = self._front.turn(seconds, self._admits_all())
            if events:
                self._dispatch(events)
        except Exception:
            log.exception("the front end failed")
            self.lost()
        finally:
            self._turning = False

    def _dispatch(self, events: "list[_frontend.Call | _frontend.Batch]") -> None:
        flushed = monotonic()
        for event in events:
            if isinstance(event, _frontend.Batch):
                self._answer_batch(event)
            elif (owner := event.owner) is not None:
                owner.changed()
            else:
                self._begin(event)
            if (now := monotonic()) - flushed > FLUSH_SECONDS:
                self._front.flush()
                flushed = now
        self._front.flush()

    def _tick(self) -> None:
        self._turn(0.0)
        self._ticking = self._loop.call_later(TICK, self._tick)

    def _begin(self, call: _frontend.Call) -> None:
        method = self._methods[call.method]
        if isinstance(method, UnaryMethod):
            unary = NativeUnary(call, self._sending)
            if method.eager:
                unary.begin(method.handle(unary), self._loop)
            else:
                unary.run(method.handle(unary), self._loop)
        else:
            stream = NativeStream(call, self._sending)
            stream.run(method.handle(stream), self._loop)

    def _answer_batch(self, batch: _frontend.Batch) -> None:
        method = self._methods[batch.method]
        assert isinstance(method, UnaryMethod)  # noqa: S101  no other has templates
        assert method.batches is not None  # noqa: S101  likewise
        try:
            method.batches.handle(batch)
        finally:
            if not batch.settled:
                batch.split()

    def _remember(self, method: int, template: MessageTemplate) -> None:
        self._front.remember(
            method,
            template,
            template.constants,
            template.payload_sizes,
            template.optional_tag,
            template.optional_at,
        )

    def _admit(self, path: str, headers: list[tuple[str, str]], peer: str) -> Status | None:
        refusal = self._asked(path, [_decoded(name, value) for name, value in headers])
        return None if refusal is None else refusal(peer)

    def _sending(self) -> None:
        """Have answers sent that are given between two turns."""
        if self._turning or self._flushing or isinstance(self._loop, FrontEndLoop):
            return
        self._flushing = True
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._front.flush()


def _limits(limits: Limits) -> tuple[int, float, float, float, float, int, float, float]:
    return (
        limits.message_bytes,
        limits.handshake_seconds,
        limits.idle_seconds,
        limits.keepalive_seconds,
        limits.keepalive_timeout_seconds,
        limits.streams,
        limits.ping_interval_seconds,
        math.inf if limits.age_seconds is None else limits.age_seconds,
    )


def _decoded(name: str, value: str) -> tuple[str, str | bytes]:
    """A header as admission takes it: bytes where its name says so."""
    if not name.endswith("-bin"):
        return name, value
    with suppress(binascii.Error):
        # Clients leave the padding out.
        return name, binascii.a2b_base64(value + "==")
    return name, b""
