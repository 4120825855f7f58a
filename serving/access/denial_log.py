"""Calls that were turned away, in the log: who asked for what, and why not; at a bounded rate, and never a token."""

import asyncio
import logging

from serving.error_text import presentable

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two entries: whoever guesses tokens must not fill the disk."""


class DenialLog:
    """Has an entry for the first of some calls, and then one for all that follow within a time.

    Used on one event loop.
    """

    def __init__(self) -> None:
        self._more = 0
        self._last: dict[str, object] = {}
        self._pausing = False

    def note(self, peer: str, method: str, error: Exception) -> None:
        """A call was turned away.

        Args:
            peer: Who made it, as the transport names clients.
            method: The method, if it is one of ours.
            error: Why, as the client was told.
        """
        reason = presentable(str(error).partition(";")[0])
        fields: dict[str, object] = {"peer": peer, "method": method or "unknown", "reason": reason}
        if self._pausing:
            self._more, self._last = self._more + 1, fields
        else:
            self._write("a call was turned away", fields)

    def _write(self, event: str, fields: dict[str, object]) -> None:
        log.warning(event, extra={"fields": fields})
        self._pausing = True
        asyncio.get_running_loop().call_later(INTERVAL, self._go_on)

    def _go_on(self) -> None:
        self._pausing = False
        if self._more:
            count, self._more = self._more, 0
            self._write("more calls were turned away", {"calls": count, **self._last})
