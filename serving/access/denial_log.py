"""Logs refused calls with peer, method and reason, at a bounded rate. Tokens are never logged."""

import asyncio
import logging

from serving.error_text import sanitized

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""The least seconds between two entries, so that somebody who guesses tokens cannot fill the disk."""


class DenialLog:
    """Logs the first refused call at once, and then the number of those that follow within each interval.

    Used on one event loop.
    """

    def __init__(self) -> None:
        self._unlogged = 0
        self._last: dict[str, object] = {}
        self._paused = False

    def note(self, peer: str, method: str, error: Exception) -> None:
        """Log a refused call, now or with others.

        Args:
            peer: The client, as the transport names it.
            method: The method, if the server has it; else empty.
            error: The reason that the client gets.
        """
        reason = sanitized(str(error).partition(";")[0])
        fields: dict[str, object] = {"peer": peer, "method": method or "unknown", "reason": reason}
        if self._paused:
            self._unlogged, self._last = self._unlogged + 1, fields
        else:
            self._write("a call was turned away", fields)

    def _write(self, event: str, fields: dict[str, object]) -> None:
        log.warning(event, extra={"fields": fields})
        self._paused = True
        asyncio.get_running_loop().call_later(INTERVAL, self._resume)

    def _resume(self) -> None:
        self._paused = False
        if self._unlogged:
            count, self._unlogged = self._unlogged, 0
            self._write("more calls were turned away", {"calls": count, **self._last})
