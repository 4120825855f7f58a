"""Limits the numbers in a config, so that a file or a request cannot exhaust the server's memory or threads.

The limits are far above useful values, and far below harmful ones.
"""

from math import prod

from protos import model_config_pb2 as pb
from serving.errors import ModelLoadError

PRIORITY_LEVELS = 64
INSTANCES = 256
"""Each instance has a thread."""

BATCH = 1 << 20
WAIT_MICROSECONDS = 3_600_000_000
WARMUP_RUNS = 10_000
WARMUP_ELEMENTS = 1 << 26
"""Elements in one input of one warm-up request, including its batch."""


def check(message: pb.ModelConfig) -> None:
    """Refuse a config with a number above its limit.

    Raises:
        ModelLoadError: The config has one; the text names the field and the limit.
    """
    batching = message.dynamic_batching
    instances = sum(max(1, group.count) for group in message.instance_group)
    _at_most("dynamic_batching.priority_levels", batching.priority_levels, PRIORITY_LEVELS)
    _at_most(
        "dynamic_batching.max_queue_delay_microseconds",
        batching.max_queue_delay_microseconds,
        WAIT_MICROSECONDS,
    )
    _at_most("instance_group.count", instances, INSTANCES)
    _at_most("max_batch_size", message.max_batch_size, BATCH)
    for request in message.model_warmup:
        _at_most("model_warmup.count", request.count, WARMUP_RUNS)
        for each in request.inputs.values():
            elements = max(1, request.batch_size) * prod(each.dims)
            _at_most("model_warmup.inputs.dims with its batch_size, multiplied,", elements, WARMUP_ELEMENTS)


def _at_most(field: str, value: int, most: int) -> None:
    if value > most:
        raise ModelLoadError(f"its config has {field} {value}; it may be {most} at most")
