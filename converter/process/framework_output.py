"""Discards what the frameworks write to stdout and stderr."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

# Never closed: TensorFlow makes its log handler inside the block, and the handler keeps this stream.
_SINK = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what is written to stdout and stderr, logged or warned about inside the block.

    TensorFlow's C++ side writes to the file descriptors, past ``sys.stderr``, so these are replaced too.
    Exceptions pass through, and everything is restored at the end. It affects the whole process: use it in one
    thread at a time.
    """
    before = logging.root.manager.disable
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        saved = [(fd, os.dup(fd)) for fd in (1, 2)]
        try:
            for fd, _ in saved:
                os.dup2(_SINK.fileno(), fd)
            with redirect_stdout(_SINK), redirect_stderr(_SINK):
                yield
        finally:
            for fd, copy in saved:
                os.dup2(copy, fd)
                os.close(copy)
            logging.disable(before)
