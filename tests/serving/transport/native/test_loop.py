"""The event loop that waits for asyncio and the front end together."""

import asyncio
import threading
import time

import pytest

from serving.transport.limits import Limits

loops = pytest.importorskip("serving.transport.native.loop", exc_type=ImportError)
transports = pytest.importorskip("serving.transport.native.transport", exc_type=ImportError)


@pytest.fixture
def run():
    """Run a coroutine function beside a front end that listens."""

    def run(use):
        async def with_front_end():
            transport = transports.NativeTransport(Limits(1 << 20))
            transport.serve({}, lambda *_: None)
            await transport.start("127.0.0.1", 0)
            try:
                return await asyncio.wait_for(use(), 30)
            finally:
                await transport.close()

        with asyncio.Runner(loop_factory=loops.FrontEndLoop) as runner:
            return runner.run(with_front_end())

    return run


def test_timers_come_in_their_order_and_not_too_early(run):
    async def use():
        loop, came = asyncio.get_running_loop(), []
        begun = time.monotonic()
        for seconds in (0.09, 0.03, 0.06):
            loop.call_later(seconds, came.append, seconds)
        await asyncio.sleep(0.12)
        return came, time.monotonic() - begun

    came, took = run(use)
    assert came == [0.03, 0.06, 0.09]
    assert took >= 0.12


def test_a_timer_is_kept_although_a_later_one_was_waited_for(run):
    async def use():
        loop = asyncio.get_running_loop()
        sooner = loop.create_future()
        later = loop.call_later(60, lambda: None)
        loop.call_later(0.01, loop.call_later, 0.01, sooner.set_result, "came")
        found = await sooner
        later.cancel()
        return found

    assert run(use) == "came"


def test_another_thread_and_a_file_wake_it(run):
    async def use():
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        threading.Timer(0.02, loop.call_soon_threadsafe, (woken.set_result, "thread")).start()
        found = [await woken, await loop.run_in_executor(None, lambda: "executor")]
        process = await asyncio.create_subprocess_exec("echo", "process", stdout=asyncio.subprocess.PIPE)
        return [*found, (await process.communicate())[0].decode().strip()]

    assert run(use) == ["thread", "executor", "process"]


def test_a_callback_that_schedules_itself_leaves_the_front_end_its_turn(run):
    async def use():
        loop, turns = asyncio.get_running_loop(), 0
        done = loop.create_future()

        def again():
            nonlocal turns
            turns += 1
            loop.call_soon(again) if turns < 1000 else done.set_result(turns)

        loop.call_soon(again)
        return await done

    assert run(use) == 1000
