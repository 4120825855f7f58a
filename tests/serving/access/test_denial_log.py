import asyncio
import logging

from patience import until_async

from serving.access import denial_log
from serving.access.denial_log import DenialLog
from serving.errors import PermissionDeniedError, UnauthenticatedError

METHOD = "/inference.GRPCInferenceService/ModelInfer"
UNKNOWN = UnauthenticatedError("the server does not know this token; send the header")


def entries(caplog):
    return [(record.getMessage(), record.fields) for record in caplog.records]


def test_the_first_is_told_at_once_and_those_that_follow_together(caplog, monkeypatch):
    monkeypatch.setattr(denial_log, "INTERVAL", 0.01)

    async def guess():
        refusals = DenialLog()
        for number in range(1000):
            refusals.note(f"ipv4:10.0.0.{number}:1", METHOD, UNKNOWN)
        assert len(caplog.records) == 1
        await until_async(lambda: len(caplog.records) == 2)
        # Quiet for a while, then the next is told at once.
        await until_async(lambda: not refusals._pausing)
        refusals.note("ipv4:10.0.0.1:2", METHOD, UNKNOWN)

    with caplog.at_level(logging.WARNING):
        asyncio.run(guess())
    first, rest, later = entries(caplog)
    reason = "the server does not know this token"
    assert first == (
        "a call was turned away",
        {"peer": "ipv4:10.0.0.0:1", "method": METHOD, "reason": reason},
    )
    assert rest == (
        "more calls were turned away",
        {"calls": 999, "peer": "ipv4:10.0.0.999:1", "method": METHOD, "reason": reason},
    )
    assert later[1]["peer"] == "ipv4:10.0.0.1:2"


def test_a_name_that_a_stranger_made_up_is_short_and_of_one_line(caplog):
    async def ask():
        DenialLog().note("unix:", "", PermissionDeniedError("x" * 100_000 + "\n\x1b[31m needs a token"))

    with caplog.at_level(logging.WARNING):
        asyncio.run(ask())
    ((_, fields),) = entries(caplog)
    assert fields["method"] == "unknown"
    assert len(fields["reason"]) < 5000
    assert fields["reason"].isprintable()
