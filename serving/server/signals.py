"""Translates signals into the phases of stopping.

SIGTERM             stop; new requests are still answered for the lame-duck time
SIGINT              stop without the lame-duck time
a second of either  end at once
"""

import asyncio
import signal


class Signals:
    """The signals that the process has received so far. Constructed on the event loop of the main thread.

    Attributes:
        stop: Set by the first signal.
        end_lame_duck: Set when new requests are no longer to be answered.
        end_now: Set when requests in flight are not to be waited for.
    """

    def __init__(self) -> None:
        self.stop, self.end_lame_duck, self.end_now = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def listen(self) -> None:
        """Handle SIGTERM and SIGINT in place of the default."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.arrived, number)

    def arrived(self, number: int) -> None:
        """Note a signal."""
        if self.stop.is_set():
            self.end_now.set()
        if self.stop.is_set() or number == signal.SIGINT:
            self.end_lame_duck.set()
        self.stop.set()

    def request_stop(self) -> None:
        """Stop as with SIGINT, unless a signal has arrived before."""
        if not self.stop.is_set():
            self.arrived(signal.SIGINT)
