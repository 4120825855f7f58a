"""The result of one measurement."""

from collections.abc import Sequence
from dataclasses import dataclass

P99 = 0.99


class LoadError(Exception):
    """A server did not answer a load as it should; the text is for the table."""


class CallError(LoadError):
    """A call ended with a status other than OK."""


@dataclass(frozen=True)
class Load:
    """What a generator of load saw.

    Attributes:
        requests: How many requests were answered.
        seconds: How long it took.
        p99: The 99th percentile of the latency in seconds.
    """

    requests: int
    seconds: float
    p99: float


@dataclass(frozen=True)
class Sample:
    """A server under load for a second or so.

    Attributes:
        rate: Requests per second.
        cpu: Seconds of processor time of the server for each request; other programs hardly change it.
        p99: The 99th percentile of the latency in seconds.
        memory: Resident memory of the server in bytes, in the middle of the load.
    """

    rate: float
    cpu: float
    p99: float
    memory: int


def percentile(values: Sequence[float], share: float = P99) -> float:
    """The value that a share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
