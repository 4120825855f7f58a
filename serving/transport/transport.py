"""What carries calls between clients and the services; the services know a transport by this alone."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from serving.transport.status_code import Status

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


@dataclass(frozen=True, slots=True)
class UnaryMethod:
    """A method with one request and one response.

    Attributes:
        handle: Answers a call or refuses it.
    """

    handle: Callable[[Unary], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """A method whose requests or responses, or both, are streams.

    Attributes:
        handle: Answers a call or refuses it.
    """

    handle: Callable[[Stream], Awaitable[None]]


Method: TypeAlias = UnaryMethod | StreamMethod


class Transport(ABC):
    """Takes connections, and leads each call to its method. Used on one event loop.

    Attributes:
        lost: Called when no more calls can be taken although the transport was not told to stop.
    """

    def __init__(self) -> None:
        self.lost: Callable[[], None] = lambda: None

    @abstractmethod
    def serve(self, methods: Mapping[str, Method], admit: Admit, known: Iterable[str] = ()) -> None:
        """Say what answers calls. To be called once, before :meth:`start`.

        Args:
            methods: The methods by path, ``/service/method``. All other paths are UNIMPLEMENTED.
            admit: Asked of each call.
            known: Further paths that ``admit`` is told; of the rest it is told ``/``.
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
