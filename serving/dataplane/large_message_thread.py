"""One thread for work on large messages, so that it does not block the event loop.

There is one thread, so that several large messages do not take memory at the same time. The event loop gets the
interpreter's lock every few milliseconds, and at any time while zlib works.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

_THREAD = ThreadPoolExecutor(1, "messages")


async def off_loop(work: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ANN401  the arguments of any function
    """Call a function on that thread, after those before it. If the caller is cancelled earlier, it is not called."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work, *arguments)
