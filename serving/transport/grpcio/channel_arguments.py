"""What a connection may hold, and for how long.

Source: grpc_types.h of gRPC's core, where each argument is described.
"""

from serving.server.options import ServerOptions

LIMITS: dict[str, int] = {
    # A connection that does not say within this time what it is, is closed.
    "grpc.server_handshake_timeout_ms": 10_000,
    # One that has no call is closed too; clients connect again without their callers noticing.
    "grpc.max_connection_idle_ms": 300_000,
    # A client that is silent is asked whether it is there, so that calls of the dead do not stay.
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 20_000,
    # Clients may ask likewise, and not much more often.
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.http2.min_recv_ping_interval_without_data_ms": 10_000,
    # Calls of one connection at a time; more wait in the client, or are refused unread (UNAVAILABLE).
    "grpc.max_concurrent_streams": 1024,
    # Calls that have arrived and that the event loop has not taken. From the first number on some are refused
    # unread, from the second all. It takes thousands a second, so they wait for less than a second.
    "grpc.server.max_pending_requests": 1000,
    "grpc.server.max_pending_requests_hard_limit": 3000,
}
"""There is no limit to a connection's age: a connection that is used is as good as a new one."""

LOOKED_AT_ONCE: dict[str, int] = {"grpc.max_connection_age_ms": 3_600_000}
"""But a client's certificate is looked at when it connects, and may expire or be taken back later."""


def channel_options(options: ServerOptions, *, shared: bool) -> list[tuple[str, int]]:
    """What is asked of gRPC.

    Args:
        options: What was decided.
        shared: Whether other processes listen on the same port.
    """
    return [
        ("grpc.max_receive_message_length", options.max_message_size),
        ("grpc.max_send_message_length", -1),
        # serving/flow_control/decompression.py does it, with a bound on what is unpacked at the same time.
        ("grpc.per_message_decompression", 0),
        # Without this a second server on the same port would silently take half of the connections.
        # Processes of one fleet share a port that was taken for them.
        ("grpc.so_reuseport", int(shared)),
        *LIMITS.items(),
        *(LOOKED_AT_ONCE.items() if options.tls and options.tls.client_ca else ()),
    ]
