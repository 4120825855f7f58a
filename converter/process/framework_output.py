"""Keep the frameworks' chatter off the terminal."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

# Never closed: TensorFlow makes its log handler while it is silenced, and the handler keeps the stream it found.
_SINK = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what is written to stdout and stderr, logged or warned about inside the block.

    TensorFlow's C++ side writes to the file descriptors, past ``sys.stderr``, so these are replaced too.
    Exceptions pass through; everything is restored on the way out. Process-wide: not for concurrent use.
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
