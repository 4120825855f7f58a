"""What a connection may hold, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a transport allows its clients.

    Attributes:
        message_bytes: The largest request, as it arrives.
        handshake_seconds: A connection that has not finished its handshakes by then is closed.
        idle_seconds: A connection that had no call for so long is closed; clients connect again by themselves.
        keepalive_seconds: A client that was silent for so long is pinged, so that calls of dead clients end.
        keepalive_timeout_seconds: It is taken for dead if it has not answered by then.
        ping_interval_seconds: Clients may ping no more often than this.
        streams: Concurrent calls of one connection; further ones wait in the client, or are refused unread.
        pending: Calls that arrived and were not taken by the event loop yet; from this number on some are refused
            unread. The loop takes thousands a second, so they wait for less than a second.
        pending_most: From this number on all are.
        age_seconds: A connection is closed when it is so old; None for no limit, since a connection that is used
            is as good as a new one.
    """

    message_bytes: int
    handshake_seconds: float = 10.0
    idle_seconds: float = 300.0
    keepalive_seconds: float = 60.0
    keepalive_timeout_seconds: float = 20.0
    ping_interval_seconds: float = 10.0
    streams: int = 1024
    pending: int = 1000
    pending_most: int = 3000
    age_seconds: float | None = None
