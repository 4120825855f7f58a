"""Decides whether a failed call is tried again, and after how long (exponential backoff with full jitter).

The pause before attempt n + 1 is drawn from [0, min(longest, first * 2**(n - 1))], so that clients that
failed together do not return together; a hint of the server is added to it.

Source: "full jitter", Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
"""

import random
from dataclasses import dataclass
from typing import Final

from serving.client.errors import ResourceExhaustedError, ServerError, UnavailableError


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry policy.

    Attributes:
        attempts: How often a call is tried at most; 1 means never again.
        first: Seconds; the longest pause after the first attempt. It doubles with each one.
        longest: Seconds; no pause is longer unless the server asks for it.
    """

    attempts: int = 4
    first: float = 0.1
    longest: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first < 0 or self.longest < 0:
            raise ValueError(f"{self}: attempts must be 1 or more, pauses 0 or more")

    def pause(self, attempt: int, error: ServerError, remaining: float) -> float | None:
        """Seconds to wait after an attempt that failed; None if there is to be no other.

        Args:
            attempt: Its number; the first is 1.
            error: What it failed with.
            remaining: Seconds left for the call as a whole.
        """
        if attempt >= self.attempts or not is_safe_to_retry(error):
            return None
        bound = min(self.longest, self.first * 2 ** (attempt - 1))
        pause = random.uniform(0, bound) + (error.retry_after or 0)  # noqa: S311  spreads load, guards nothing
        return pause if pause < remaining else None


ONCE: Final = Retry(attempts=1)
"""No retries, for questions to which "it cannot be reached" is an answer."""


def is_safe_to_retry(error: ServerError) -> bool:
    """Whether the request was not answered and trying again can help.

    RESOURCE_EXHAUSTED is also the error for a message that is too large; it is about load only if the server sends a
    hint.
    """
    return isinstance(error, UnavailableError) or (
        isinstance(error, ResourceExhaustedError) and error.retry_after is not None
    )
