"""What carries calls between clients and the services; the services know a transport by this alone."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from serving.transport.status_code import Status

if TYPE_CHECKING:
    from typing_extensions import Buffer

GLANCE = 0.02
"""Seconds between two looks whether clients have noticed that the server is leaving."""

Metadata: TypeAlias = "Iterable[tuple[str, Any]]"
"""The headers of a call by lower-case name: text, or bytes where the name ends in ``-bin``."""

Admit: TypeAlias = "Callable[[str, Metadata], Callable[[str], Status] | None]"
"""Sees a call's path and headers before its body is read or counted.

Returns None to admit the call. To refuse it, returns a function that takes the peer and gives the status.
"""


class Call(ABC):
    """One call. Used on the event loop of the server.

    Attributes:
        deadline: When the client stops waiting, on the clock of :func:`time.monotonic`; None for never.
    """

    deadline: float | None

    @property
    @abstractmethod
    def peer(self) -> str:
        """The client's end of the connection; one for each connection."""

    @abstractmethod
    def on_end(self, ended: Callable[[], None]) -> None:
        """Have a function called exactly once when the call is over: answered, reset, or its connection lost."""

    @abstractmethod
    def refuse(self, status: Status) -> None:
        """End the call with a status other than OK, once its handler returns."""


class Unary(Call):
    """A call with one request and one response.

    Attributes:
        message: The request, as the client sent it: it may be compressed.
    """

    message: bytes

    @abstractmethod
    def answer(self, message: bytes) -> None:
        """Send the response and end the call with OK, once its handler returns."""


class Stream(Call):
    """A call with any number of requests and responses. It ends with OK when its handler returns."""

    @abstractmethod
    async def receive(self) -> bytes | None:
        """The next request, as the client sent it; None when there are no more.

        The client is allowed to send another only now.
        """

    @abstractmethod
    async def send(self, message: bytes) -> None:
        """Send a response. Returns when there is room for another."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MessageTemplate:
    """Messages that are equal except for payloads of fixed sizes and one optional field.

    A message that matches is, in this order: ``constants[0]``, a payload of ``payload_sizes[0]`` bytes,
    ``constants[1]``, the next payload, and so on to the last constant. Payloads may hold any bytes.

    If ``optional_tag`` is not 0, ``constants[0]`` may be interrupted at ``optional_at`` by a length-delimited field:
    the tag, one byte for the length, which is from 1 to 127, and that many bytes of ASCII. A message that has the
    field in any other form does not match, because the field may be text that must be checked.

    Templates compare by identity.

    Attributes:
        constants: The bytes around the payloads, one entry more than there are payloads; entries may be empty.
        payload_sizes: The bytes of each payload; may be 0.
        optional_tag: The tag of the optional field, which is one byte; 0 if there is none.
        optional_at: Where in ``constants[0]`` the optional field begins.
    """

    constants: tuple[bytes, ...]
    payload_sizes: tuple[int, ...]
    optional_tag: int = 0
    optional_at: int = 0


class Batch(ABC):
    """The messages of several unary calls of one method that match one template.

    Exactly one of :meth:`answer`, :meth:`refuse` and :meth:`split` is to be called, once, and before the method that
    was given the batch returns. Used on the event loop of the server.

    Attributes:
        template: The object that was passed to :attr:`BatchMethod.remember`.
        deadline: The earliest deadline of the calls, on the clock of :func:`time.monotonic`; None if none has one.
    """

    template: MessageTemplate
    deadline: float | None

    @abstractmethod
    def __len__(self) -> int:
        """The number of calls; at least 1."""

    @abstractmethod
    def payload(self, at: int) -> memoryview:
        """One payload of all messages, side by side, in the order of the calls.

        Returns:
            Read-only bytes that begin at an address divisible by 64. They are valid until the batch is settled.

        Args:
            at: Which payload, counted from 0.
        """

    @abstractmethod
    def answer(self, prefixes: Sequence[bytes], rows: "Sequence[Buffer]", optional_at: int = 0) -> None:
        """Answer all calls and end them with OK.

        The response of call ``i`` is, for each ``k`` in order, ``prefixes[k]`` and the ``i``-th of the equal parts
        into which ``rows[k]`` is divided by the number of calls. If the request had the optional field, that field,
        as it came (tag, length and content), is inserted into ``prefixes[0]`` at ``optional_at``.

        Args:
            prefixes: The bytes before each payload of a response.
            rows: The payloads of all responses, side by side: contiguous buffers, whose lengths in bytes are
                multiples of the number of calls. They may be empty, and they may be views of request payloads. The
                caller does not change them afterwards; the batch copies them before this returns, or holds their
                buffers as long as it needs them.
            optional_at: Where in ``prefixes[0]`` the optional field belongs.

        Raises:
            ValueError: A buffer cannot be divided. No call is settled then.
        """

    @abstractmethod
    def refuse(self, status: Status) -> None:
        """End all calls with a status other than OK."""

    @abstractmethod
    def split(self) -> None:
        """Lead each call to :attr:`UnaryMethod.handle`, as if its message had matched no template."""


class BatchMethod(ABC):
    """Answers messages that match templates, several at a time.

    Attributes:
        remember: Called with each template that the method learns from messages, on the event loop. A transport that
            forms batches sets it before it takes calls. It may forget templates at any time.
    """

    def __init__(self) -> None:
        self.remember: Callable[[MessageTemplate], None] = lambda _: None

    @abstractmethod
    def handle(self, batch: Batch) -> None:
        """Answer, refuse or split a batch before this returns. Does not raise."""


@dataclass(frozen=True, slots=True)
class UnaryMethod:
    """A method with one request and one response.

    Attributes:
        handle: Answers a call or refuses it.
        batches: Answers calls in batches, for transports that form them; None if the method cannot.
        eager: Whether ``handle`` may begin outside of a task: until it first waits, it uses nothing of asyncio that
            needs a current task. It may set context variables, so a transport that continues it in a task makes that
            task as soon as it waits, before another call begins in the same context.
    """

    handle: Callable[[Unary], Coroutine[Any, Any, None]]
    batches: BatchMethod | None = None
    eager: bool = False


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """A method whose requests or responses, or both, are streams.

    Attributes:
        handle: Answers a call or refuses it.
    """

    handle: Callable[[Stream], Coroutine[Any, Any, None]]


Method: TypeAlias = UnaryMethod | StreamMethod


class Transport(ABC):
    """Takes connections, and leads each call to its method. Used on one event loop.

    Attributes:
        lost: Called when no more calls can be taken although the transport was not told to stop.
    """

    def __init__(self) -> None:
        self.lost: Callable[[], None] = lambda: None

    @abstractmethod
    def serve(
        self,
        methods: Mapping[str, Method],
        admit: Admit,
        known: Iterable[str] = (),
        admits_all: Callable[[], bool] = lambda: False,
    ) -> None:
        """Say what answers calls. To be called once, before :meth:`start`.

        Args:
            methods: The methods by path, ``/service/method``. All other paths are UNIMPLEMENTED.
            admit: Asked of each call.
            known: Further paths that ``admit`` is told; of the rest it is told ``/``.
            admits_all: Whether ``admit`` would admit every call now, so that it need not be asked.
        """

    @abstractmethod
    async def start(self, host: str, port: int) -> int:
        """Listen, and take calls.

        Returns:
            The port; the one that was chosen, where 0 was asked for.

        Raises:
            AddressError: The address cannot be listened on.
        """

    @abstractmethod
    def stop_listening(self) -> None:
        """Take no more connections. Those that there are go on."""

    @abstractmethod
    async def goaway(self, seconds: float) -> None:
        """Tell all clients that no more calls are taken, and wait until they have seen it.

        Args:
            seconds: The longest wait.
        """

    @abstractmethod
    async def close(self) -> None:
        """End all calls and connections."""

    async def _until_left(self, connections: Callable[[], int], seconds: float) -> None:
        """Wait until there are no connections.

        Args:
            connections: Counts them; nothing tells when they end.
            seconds: The longest wait.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while connections():  # noqa: ASYNC110  see above
                    await asyncio.sleep(GLANCE)
