"""The end of a server's process: it does not wait for threads."""

import logging
import os
import sys
from contextlib import suppress

from serving import daemon_threads


def leave(*, drained: bool) -> int:
    """End now if threads go on: one may hang in a library, and the event loop and the interpreter would wait for it.

    No library survives that the interpreter ends beneath its running threads.

    Args:
        drained: Whether all that was accepted was answered and no model runs any more.

    Returns:
        The exit code, if the process may end as any other.
    """
    code = 0 if drained else 1
    if drained and not daemon_threads.running():
        return code
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
