"""Returns freed memory to the system.

glibc keeps freed blocks of up to 32 MB for later use once it has seen such blocks freed; after some models were
loaded and unloaded, that is the weights of several models. ``malloc_trim`` returns every page that is not in use.

Source: mallopt(3), M_MMAP_THRESHOLD; malloc_trim(3).
"""

import ctypes
from collections.abc import Callable


def _find() -> Callable[[int], int] | None:
    # Other C libraries do not have this function and do not need it.
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


_trim = _find()


def give_back() -> None:
    """Return free pages to the system. Takes milliseconds, during which other threads continue."""
    if _trim is not None:
        _trim(0)
