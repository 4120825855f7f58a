"""What a trial may take."""

from dataclasses import dataclass

from serving.runtimes import memory

MEBIBYTE = 1 << 20

SECONDS = 120.0
"""The time of a trial, when nobody said: large SavedModels take tens of seconds on a busy machine."""

SHARE = 0.75
"""The part of the memory of the machine or the container that a trial may take, likewise."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trial may take.

    Attributes:
        seconds: From the start of its process to its verdict.
        memory: Bytes in memory, beyond those of the libraries that run models.
    """

    seconds: float = SECONDS
    memory: int = 0

    @property
    def most_memory(self) -> int:
        """The bytes of memory, decided by the machine where nobody said."""
        return self.memory or int(memory.total() * SHARE)
