"""Converts between ``dynamic_batching`` of ``inference.ModelConfig``, with its queue policies, and our own."""

from protos import model_config_pb2 as pb
from serving.errors import ModelLoadError
from serving.repository.config import Batching, QueuePolicy

MICROSECONDS = 1_000_000
"""In a second. Divided by, it gives the float that the decimal notation does."""


def to_queue_policy(message: pb.ModelQueuePolicy) -> QueuePolicy:
    """How a queue treats its requests, from a message."""
    return QueuePolicy(
        size=message.max_queue_size,
        timeout=message.default_timeout_microseconds / MICROSECONDS,
        delay=message.timeout_action == pb.ModelQueuePolicy.DELAY,
        override=message.allow_timeout_override,
    )


def to_batching(message: pb.ModelDynamicBatching) -> Batching:
    """How requests are batched, from a message.

    Raises:
        ModelLoadError: A priority level or a preferred batch size does not exist.
    """
    levels, default = message.priority_levels, message.default_priority_level
    if levels and not 1 <= default <= levels:
        raise ModelLoadError(
            f"its config has {levels} priority_levels; its default_priority_level must be from 1 to {levels}"
        )
    if any(not 1 <= level <= levels for level in message.priority_queue_policy):
        raise ModelLoadError("its config has a priority_queue_policy for a level that does not exist")
    if any(size < 1 for size in message.preferred_batch_size):
        raise ModelLoadError("its config has a preferred_batch_size below 1")
    return Batching(
        preferred=tuple(sorted(set(message.preferred_batch_size))),
        delay=message.max_queue_delay_microseconds / MICROSECONDS,
        levels=levels,
        default_level=default,
        level_policies={
            level: to_queue_policy(each) for level, each in message.priority_queue_policy.items()
        },
        preserve_ordering=message.preserve_ordering,
    )


def from_batching(batching: Batching, queue: QueuePolicy) -> pb.ModelDynamicBatching:
    """How requests are batched and queued, as a message.

    Args:
        batching: How requests are batched.
        queue: The default policy of the queues.
    """
    return pb.ModelDynamicBatching(
        preferred_batch_size=batching.preferred,
        max_queue_delay_microseconds=round(batching.delay * MICROSECONDS),
        preserve_ordering=batching.preserve_ordering,
        priority_levels=batching.levels,
        default_priority_level=batching.default_level,
        default_queue_policy=_from_queue_policy(queue),
        priority_queue_policy={
            level: _from_queue_policy(each) for level, each in batching.level_policies.items()
        },
    )


def _from_queue_policy(policy: QueuePolicy) -> pb.ModelQueuePolicy:
    kind = pb.ModelQueuePolicy
    return kind(
        max_queue_size=policy.size,
        default_timeout_microseconds=round(policy.timeout * MICROSECONDS),
        timeout_action=kind.DELAY if policy.delay else kind.REJECT,
        allow_timeout_override=policy.override,
    )
