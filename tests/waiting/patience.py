"""How long tests wait for what is to happen: one allowance for all of them.

A machine may be many times slower than the one a test was written on. So no test says how fast something is: it
counts what makes the time, or looks at the order of events; and what does not happen at all ends here.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE = 300
"""Seconds after which something counts as hanging: far more than twenty times what is waited for with it takes."""


def until(happens: Callable[[], Found]) -> Found:
    """Wait until something is true, and give that back; fail if it does not become so."""
    end = time.monotonic() + PATIENCE
    while not (found := happens()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


async def until_async(happens: Callable[[], Found]) -> Found:
    """Likewise, while the event loop runs on."""
    async with asyncio.timeout(PATIENCE):
        while not (found := happens()):  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.01)
    return found
