"""The limits of a trial: its time and its memory."""

from dataclasses import dataclass

from serving.runtimes import memory

MEBIBYTE = 1 << 20

SECONDS = 120.0
"""The default time of a trial: large SavedModels take tens of seconds on a busy machine."""

SHARE = 0.75
"""The default share of the memory of the machine or the container that a trial may take."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a trial.

    Attributes:
        seconds: Most seconds from the start of its process to its result.
        memory: Most bytes in memory, beyond those of the runtimes; 0 for the default.
    """

    seconds: float = SECONDS
    memory: int = 0

    @property
    def most_memory(self) -> int:
        """Most bytes in memory, with the default filled in."""
        return self.memory or int(memory.total() * SHARE)
