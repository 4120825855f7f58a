"""Which calls are admitted, decided before their bodies are read: by their token, and until the server stops.

A transport that is shut down ends the calls that still arrive with CANCELLED, which no client takes for a reason to
ask another server. So calls are refused with UNAVAILABLE first, and the transport is closed once none arrive.
"""

import asyncio
from collections.abc import Callable, Collection
from functools import partial

from serving.access.denial_log import DenialLog
from serving.access.rights import NEEDED
from serving.access.token_check import TokenCheck
from serving.errors import ServingError, StoppingError
from serving.metrics.call_counts import CallCounts
from serving.services.error_to_status import status_of
from serving.transport.status_code import Status
from serving.transport.transport import Metadata

QUIET = 0.02
"""Seconds without a refusal after which no client is thought to call any more."""

QUIET_AGAIN = 0.2
"""Likewise once a call was refused: other clients may not have heard yet that the server is stopping."""

PATIENCE = 1.0
"""The longest wait for that, in seconds: some clients never stop calling."""


class Admission:
    """Admits calls or refuses them.

    Args:
        tokens: Checks the tokens of calls; None to ask for none.
        counts: Counts the calls whose token is refused.
        work: The paths of the methods that are refused while the server stops; others, such as health, go on.
    """

    def __init__(self, tokens: TokenCheck | None, counts: CallCounts, work: Collection[str]) -> None:
        self._tokens = tokens
        self._counts = counts
        self._work = work
        self._log = DenialLog()
        self._closed = False
        self._refused = 0

    def admit(self, path: str, metadata: Metadata) -> Callable[[str], Status] | None:
        """Admit a call with None, or give what refuses it; see :data:`~serving.transport.transport.Admit`."""
        if self._tokens is not None:
            try:
                self._tokens.check(path, metadata)
            except ServingError as error:
                return partial(self._deny, path, error)
        if self._closed and path in self._work:
            return self._refuse
        return None

    def admits_all(self) -> bool:
        """Whether every call is admitted now."""
        return self._tokens is None and not self._closed

    def close(self) -> None:
        """Refuse new calls from now on; those in flight go on."""
        self._closed = True

    async def quiet(self) -> None:
        """Wait until clients have stopped calling, for a limited time."""
        until, before = asyncio.get_running_loop().time() + PATIENCE, -1
        while self._refused != before and asyncio.get_running_loop().time() < until:
            before = self._refused
            await asyncio.sleep(QUIET_AGAIN if before else QUIET)

    def _deny(self, path: str, error: ServingError, peer: str) -> Status:
        status = status_of(error)
        # A name that a stranger made up is no name for metrics.
        name = path if path in NEEDED else ""
        counts = self._counts.of(name)
        counts.started += 1
        counts.end(status.code.name, 0.0)
        self._log.note(peer, name, error)
        return status

    def _refuse(self, _peer: str) -> Status:
        self._refused += 1
        return status_of(StoppingError("the server is stopping; ask another, or later"))
