# What the C++ module of src/ offers. Used on one thread.
from collections.abc import Callable, Sequence
from ssl import MemoryBIO, SSLObject
from typing import Any

from typing_extensions import Buffer

from serving.transport import transport
from serving.transport.status_code import Status

class Call:
    """One call that is answered by itself. Not made by Python."""

    owner: Any
    """Set by Python. The call is among what ``turn`` gives whenever something changed, as long as it is not None."""
    @property
    def method(self) -> int: ...
    @property
    def message(self) -> bytes:
        """The request of a unary call, as it came."""
    @property
    def deadline(self) -> float | None: ...
    @property
    def peer(self) -> str: ...
    @property
    def closed(self) -> bool:
        """Whether the call is over: answered, reset, or its connection lost. What is sent then is dropped."""
    @property
    def complete(self) -> bool:
        """Whether the client has sent all its requests."""
    @property
    def room(self) -> bool:
        """Whether another response should be sent."""
    def answer(self, message: Buffer, /) -> None:
        """Answer a unary call. Large messages are not copied."""
    def take(self) -> bytes | None:
        """The next request of a stream; None if there is none."""
    def send(self, message: Buffer, /) -> bool:
        """Send a response of a stream; returns ``room``."""
    def end(self, status: Status, /) -> None:
        """End the call."""

class Batch(transport.Batch):
    """Calls whose messages match one template. Not made by Python, and a subclass by registration only."""

    @property
    def method(self) -> int: ...
    @property
    def settled(self) -> bool:
        """Whether it was answered, refused or split."""
    def __len__(self) -> int: ...
    def payload(self, at: int, /) -> memoryview: ...
    def answer(self, prefixes: Sequence[bytes], rows: Sequence[Buffer], optional_at: int = 0, /) -> None: ...
    def refuse(self, status: Status, /) -> None: ...
    def split(self) -> None:
        """Hand each call to ``begin`` of the front end."""

class FrontEnd:
    """Sockets and sessions.

    Args:
        limits: message_bytes, handshake_seconds, idle_seconds, keepalive_seconds, keepalive_timeout_seconds, streams,
            ping_interval_seconds, age_seconds.
        admit: Called with the path, the headers and the peer of each call, unless all are admitted. Returns None, or
            the status that refuses it.
        begin: Called with each call of a batch that is split.
        make_tls: Gives an SSLObject with its incoming and outgoing bytes, for a new connection; None for no TLS.
    """

    def __init__(
        self,
        limits: tuple[int, float, float, float, float, int, float, float],
        admit: Callable[[str, list[tuple[str, str]], str], Status | None],
        begin: Callable[[Call], None],
        make_tls: Callable[[], tuple[SSLObject, MemoryBIO, MemoryBIO]] | None,
        /,
    ) -> None: ...
    @property
    def connections(self) -> int: ...
    @property
    def foreign(self) -> bool:
        """Whether the file of ``watch`` was readable in the last turn."""
    def add_method(self, path: str, streaming: bool, implemented: bool, /) -> int:
        """Have calls of a path taken; returns the number of the method, counted from 0."""
    def remember(
        self,
        method: int,
        template: object,
        constants: Sequence[bytes],
        payload_sizes: Sequence[int],
        optional_tag: int,
        optional_at: int,
        /,
    ) -> None:
        """Form batches of messages that match a template; ``template`` is what they are known by."""
    def listen(self, fd: int, /) -> None:
        """Accept connections of a listening socket, which the front end then owns."""
    def stop_listening(self) -> None: ...
    def watch(self, fd: int, /) -> None:
        """Have ``turn`` end its wait when a file is readable."""
    def fileno(self) -> int: ...
    def turn(self, seconds: float, admits_all: bool, /) -> list[Call | Batch]:
        """Send what was answered, wait (negative: for ever), read, and give what there is to do."""
    def flush(self) -> None:
        """Send what was answered."""
    def shut_down(self) -> None:
        """Tell all clients that no more calls are taken."""
    def close(self) -> None:
        """End all connections at once."""
