"""Memory that was freed goes back to the system.

glibc keeps freed blocks of up to 32 MB for later, once it has seen such blocks freed; after some models came and
went, that is several models' weights. ``malloc_trim`` gives back every page that holds nothing.

Source: mallopt(3), M_MMAP_THRESHOLD; malloc_trim(3).
"""

import ctypes
from collections.abc import Callable


def _find() -> Callable[[int], int] | None:
    # Other C libraries have no such function, and need none.
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


_trim = _find()


def give_back() -> None:
    """Give back what is free. Takes milliseconds, in which other threads run on."""
    if _trim is not None:
        _trim(0)
