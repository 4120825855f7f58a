"""Watches what the process holds: past a share of what it may have, large requests are refused first.

Memory is looked at now and then, not for each request. What was freed goes back to the system once nothing large is
under way, whoever used it: requests, gRPC's buffers for those that never came to their end, models.
"""

import asyncio
from collections.abc import Callable

from serving.dataplane.freed_memory import give_back
from serving.errors import QueueFullError
from serving.runtimes import memory

SHARE = 0.9
"""Of the limit of its memory that a process may take before large requests are refused."""

COST = 4
"""Bytes that a byte of a large request may take: as it came, as a message, as tensors, and as an answer."""

GLANCE = 0.1
"""Seconds between two looks."""

GROWN = 32 << 20
"""Bytes above the least so far from which giving back is worth the time."""

REST = 5.0
"""Least seconds between giving back and the next time; it takes milliseconds of processor."""

RETRY = 1.0
"""Seconds after which a client may try again."""

MIB = 1 << 20


class MemoryPressure:
    """Knows how much the process may still take.

    Args:
        quiet: Whether nothing large is under way.
        limit: Bytes that this process may take.
    """

    def __init__(self, quiet: Callable[[], bool], limit: float | None = None) -> None:
        self._quiet = quiet
        self._limit = memory.available() if limit is None else limit
        self._taken = self._least = memory.taken()

    def check(self, size: int) -> None:
        """Whether there is room for a large request.

        Args:
            size: Its bytes.

        Raises:
            QueueFullError: There is not.
        """
        if self._taken + COST * size > SHARE * self._limit:
            raise QueueFullError(
                f"the server holds {self._taken / MIB:.0f} MiB of the {self._limit / MIB:.0f} it may have, and a "
                f"request of {size / MIB:.1f} MiB may need {COST} times that; send a smaller one, or this one later",
                retry_after=RETRY,
            )

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        given = -REST
        while True:
            await asyncio.sleep(GLANCE)
            self._taken = memory.taken()
            self._least = min(self._least, self._taken)
            if self._taken > self._least + GROWN and loop.time() > given + REST and self._quiet():
                await asyncio.to_thread(give_back)
                # What is left is in use: it is not asked for again.
                given, self._taken = loop.time(), memory.taken()
                self._least = self._taken
