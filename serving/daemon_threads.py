"""Runs functions on daemon threads, which do not keep the process from exiting: the functions may never return."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar
from weakref import WeakSet

Result = TypeVar("Result")

_threads: "WeakSet[Thread]" = WeakSet()

Task = tuple["Future[Result]", Callable[[], Result]]


def start(function: Callable[[], Result], name: str = "loading") -> "Future[Result]":
    """Run a function on a thread of its own."""
    (future,) = start_all([function], 1, name)
    return future


def start_all(
    functions: Iterable[Callable[[], Result]], most: int, name: str = "loading"
) -> "list[Future[Result]]":
    """Run functions, several at a time, in their order.

    Args:
        functions: The functions.
        most: How many run at a time.
        name: The name of their threads.
    """
    waiting: SimpleQueue[Task[Result]] = SimpleQueue()
    futures = []
    for function in functions:
        future: Future[Result] = Future()
        futures.append(future)
        waiting.put((future, function))
    for _ in range(min(most, len(futures))):
        thread = Thread(target=_work, args=(waiting,), name=name, daemon=True)
        thread.start()
        _threads.add(thread)
    return futures


def running() -> bool:
    """Whether any of these threads is still running."""
    return any(thread.is_alive() for thread in [*_threads])


def _work(waiting: "SimpleQueue[Task[Result]]") -> None:
    while True:
        try:
            future, function = waiting.get_nowait()
        except Empty:
            return
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001  it is raised where the future is awaited
            future.set_exception(error)
        # The thread must not keep the result alive while it continues.
        del future, function
