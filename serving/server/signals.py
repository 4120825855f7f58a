"""What the process is told by signals.

SIGTERM             stop; what still arrives for a little while is answered too
SIGINT              stop, without that while
a second of either  end now
"""

import asyncio
import signal


class Signals:
    """What the process was told so far. Made on the loop of the main thread.

    Attributes:
        stop: Set by the first signal.
        hurry: Set when nothing new is to be answered any more.
        now: Set when what is under way is to be left.
    """

    def __init__(self) -> None:
        self.stop, self.hurry, self.now = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def listen(self) -> None:
        """Take the place of what SIGTERM and SIGINT do otherwise."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.arrived, number)

    def arrived(self, number: int) -> None:
        """Take note of a signal."""
        if self.stop.is_set():
            self.now.set()
        if self.stop.is_set() or number == signal.SIGINT:
            self.hurry.set()
        self.stop.set()

    def no_use(self) -> None:
        """Take note that going on makes no sense: as of SIGINT, unless something was told before."""
        if not self.stop.is_set():
            self.arrived(signal.SIGINT)
