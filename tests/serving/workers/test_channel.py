import asyncio
import socket

import pytest
from patience import PATIENCE

from serving.errors import InternalError, ModelNotFoundError
from serving.workers.channel import Channel, ChannelClosedError


def linked(test, handlers):
    """Run a test between one end and another that has handlers."""

    async def run():
        ours, theirs = socket.socketpair()
        one, other = await Channel.over(ours, {"back": back}), await Channel.over(theirs, handlers)
        tasks = [asyncio.create_task(each.run()) for each in (one, other)]
        try:
            await test(one, other)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def back(value):
        return ["back", value]

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


async def echo(**arguments):
    return arguments


async def never():
    await asyncio.sleep(60)


def test_calls_are_answered_in_both_directions_and_of_any_size():
    async def test(one, other):
        large = "ä" * 3_000_000
        assert await one.call("echo", text=large, numbers=[1, 2.5, None]) == {
            "text": large,
            "numbers": [1, 2.5, None],
        }
        assert await other.call("back", value=7) == ["back", 7]

    linked(test, {"echo": echo})


def test_calls_do_not_wait_for_each_other():
    async def test(one, _):
        slow = asyncio.create_task(one.call("never"))
        assert await one.call("echo", at=1) == {"at": 1}
        assert not slow.done()
        slow.cancel()

    linked(test, {"echo": echo, "never": never})


def test_an_error_arrives_as_what_it_was_and_a_fault_as_internal():
    async def missing():
        raise ModelNotFoundError("no model 'x'")

    async def faulty():
        raise ZeroDivisionError("here")

    async def test(one, _):
        with pytest.raises(ModelNotFoundError, match="no model 'x'"):
            await one.call("missing")
        with pytest.raises(InternalError, match="ZeroDivisionError: here"):
            await one.call("faulty")
        with pytest.raises(InternalError, match="KeyError"):
            await one.call("unknown")

    linked(test, {"missing": missing, "faulty": faulty})


def test_an_answer_that_nobody_waits_for_any_more_is_dropped():
    async def late(value):
        await asyncio.sleep(0.05)
        return value

    async def test(one, _):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.call("late", value=1), 0.01)
        assert await one.call("late", value=2) == 2

    linked(test, {"late": late})


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda writer: writer.close(), id="it is gone"),
        pytest.param(lambda writer: writer.write(b"\0\0\0\1{"), id="what comes is no JSON"),
        pytest.param(lambda writer: writer.write(b"\0\0\0\x02{}"), id="what comes is no call and no answer"),
    ],
)
def test_whoever_waits_is_told_when_no_answer_can_come(end):
    async def test(one, other):
        waiting = asyncio.create_task(one.call("never"))
        await one.call("echo")
        end(other._writer)
        with pytest.raises(ChannelClosedError):
            await waiting
        with pytest.raises(ChannelClosedError):
            await one.call("echo")

    linked(test, {"echo": echo, "never": never})
