"""Keep the frameworks' chatter off the terminal."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what is written to stdout and stderr, logged or warned about inside the block.

    TensorFlow's C++ side writes to the file descriptors, past ``sys.stderr``, so these are replaced too.
    Exceptions pass through; everything is restored on the way out. Process-wide: not for concurrent use.
    """
    before = logging.root.manager.disable
    sys.stdout.flush()
    sys.stderr.flush()
    with Path(os.devnull).open("w") as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        saved = [(fd, os.dup(fd)) for fd in (1, 2)]
        try:
            for fd, _ in saved:
                os.dup2(sink.fileno(), fd)
            with redirect_stdout(sink), redirect_stderr(sink):
                yield
        finally:
            for fd, copy in saved:
                os.dup2(copy, fd)
                os.close(copy)
            logging.disable(before)
