"""Runs loads of several models in parallel, and waits for them as long as they make progress."""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait

from serving import daemon_threads

log = logging.getLogger(__name__)

MOST_PARALLEL = 16
"""Most models that are loaded at a time; trials and loads have limits of their own."""


def run(
    loads: Iterable[Callable[[], None]],
    seconds: float | None = None,
    steps: Callable[[], int] = lambda: 0,
) -> None:
    """Run loads and wait for them.

    Args:
        loads: The loads. The exception that one raises is raised here.
        seconds: How long to wait while no load makes progress; the rest then continues in the background. None to
            wait for all.
        steps: Counts the steps that loads have made.
    """
    pending = {*daemon_threads.start_all(loads, MOST_PARALLEL)}
    while pending:
        before = steps()
        done, pending = wait(pending, seconds, FIRST_COMPLETED)
        for each in done:
            each.result()
        if not done and steps() == before:
            for each in pending:
                each.add_done_callback(_log_failure)
            return


def _log_failure(load: "Future[None]") -> None:
    """Log what goes wrong with a load that nothing waits for any more."""
    if error := load.exception():
        log.error("loading a model failed", exc_info=error)
