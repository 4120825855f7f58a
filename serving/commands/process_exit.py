"""Ends the process of a server without waiting for threads that may hang."""

import logging
import os
import sys
from contextlib import suppress

from serving import daemon_threads


def end_process(*, drained: bool) -> int:
    """Exit at once if threads are still running: the event loop and the interpreter would wait for one that hangs.

    This does not finalize the interpreter, because libraries crash when their threads outlive it.

    Args:
        drained: Whether all that was accepted was answered and no model runs any more.

    Returns:
        The exit code, if no thread is running and the process may end normally.
    """
    code = 0 if drained else 1
    if drained and not daemon_threads.running():
        return code
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
