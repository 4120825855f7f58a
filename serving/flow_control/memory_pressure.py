"""Watches the memory of the process, and refuses large requests when it runs short.

Memory is measured at intervals, not for each request. Freed memory is returned to the system when no large message is
in flight, whatever used it: requests, gRPC's buffers for requests that were never completed, models.
"""

import asyncio
from collections.abc import Callable

from serving.dataplane.malloc_trim import give_back
from serving.errors import QueueFullError
from serving.runtimes import memory

MEMORY_SHARE = 0.9
"""The share of its memory limit that a process may use before large requests are refused."""

REQUEST_COST = 4
"""Bytes of memory for each byte of a large request: as it arrived, as a message, as tensors, and as an answer."""

CHECK_INTERVAL = 0.1
"""Seconds between two measurements."""

TRIM_THRESHOLD = 32 << 20
"""Bytes above the least use so far from which returning memory to the system is worth the time."""

TRIM_INTERVAL = 5.0
"""The least seconds between two times that memory is returned: it takes milliseconds of CPU time."""

RETRY = 1.0
"""Seconds after which a client may try again."""

MIB = 1 << 20


class MemoryPressure:
    """Decides whether there is memory for a large request.

    Args:
        quiet: Whether no large message is in flight.
        limit: Bytes that this process may use.
    """

    def __init__(self, quiet: Callable[[], bool], limit: float | None = None) -> None:
        self._quiet = quiet
        self._limit = memory.available() if limit is None else limit
        self._used = self._least_used = memory.taken()

    def check(self, size: int) -> None:
        """Check that there is memory for a large request.

        Args:
            size: Its bytes.

        Raises:
            QueueFullError: There is not enough.
        """
        if self._used + REQUEST_COST * size > MEMORY_SHARE * self._limit:
            raise QueueFullError(
                f"the server holds {self._used / MIB:.0f} MiB of the {self._limit / MIB:.0f} it may have, and a "
                f"request of {size / MIB:.1f} MiB may need {REQUEST_COST} times that; "
                "send a smaller one, or this one later",
                retry_after=RETRY,
            )

    async def run(self) -> None:
        """Measure the memory, and return what was freed, until cancelled."""
        loop = asyncio.get_running_loop()
        trimmed = -TRIM_INTERVAL
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            self._used = memory.taken()
            self._least_used = min(self._least_used, self._used)
            grown = self._used > self._least_used + TRIM_THRESHOLD
            if grown and loop.time() > trimmed + TRIM_INTERVAL and self._quiet():
                await asyncio.to_thread(give_back)
                # What could not be returned is in use. It becomes the new least, so that it is not tried again.
                trimmed, self._used = loop.time(), memory.taken()
                self._least_used = self._used
