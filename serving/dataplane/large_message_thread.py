"""Work on large messages, away from the event loop: one at a time, so that many do not need memory together.

Python lets the event loop in every few milliseconds, and while zlib works at any time.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

_THREAD = ThreadPoolExecutor(1, "messages")


async def off_loop(work: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ANN401  those of any function
    """Call a function when its turn comes. If the caller is cancelled before, it is never called."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work, *arguments)
