"""The limits of a transport, as the arguments that gRPC's core takes.

Source: grpc_types.h of gRPC's core, where each argument is described.
"""

from serving.transport.limits import Limits


def channel_arguments(limits: Limits, *, shared: bool) -> list[tuple[str, int]]:
    """What is asked of gRPC.

    Args:
        limits: The limits.
        shared: Whether other processes listen on the same port.
    """
    arguments = [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", -1),
        # serving/flow_control/decompression.py does it, with a bound on what is unpacked at the same time.
        ("grpc.per_message_decompression", 0),
        # Without this a second server on the same port would silently take half of the connections.
        # Processes that serve together share a port that was reserved for them.
        ("grpc.so_reuseport", int(shared)),
        ("grpc.server_handshake_timeout_ms", _milliseconds(limits.handshake_seconds)),
        ("grpc.max_connection_idle_ms", _milliseconds(limits.idle_seconds)),
        ("grpc.keepalive_time_ms", _milliseconds(limits.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(limits.keepalive_timeout_seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _milliseconds(limits.ping_interval_seconds)),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.server.max_pending_requests", limits.pending),
        ("grpc.server.max_pending_requests_hard_limit", limits.pending_most),
    ]
    if limits.age_seconds is not None:
        arguments.append(("grpc.max_connection_age_ms", _milliseconds(limits.age_seconds)))
    return arguments


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
