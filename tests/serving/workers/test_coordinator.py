"""One order and one state, with workers that are made up."""

import asyncio
import signal

import pytest
from patience import PATIENCE

from serving.errors import ModelLoadError, UnavailableError
from serving.workers.channel import ChannelClosedError
from serving.workers.coordinator import Coordinator, UnfitError
from serving.workers.metric_totals import WorkerCounts


def state(**models):
    """Each model at one version, by the digest of its files; None for none."""
    return {"models": {name: {"served": {"1": each} if each else {}} for name, each in models.items()}}


class Made:
    """A worker that loads what it is told to, if it can.

    Attributes:
        now: How it stands.
        signals: What it was sent.
        calls: What it was asked to do, in order.
    """

    def __init__(self, index, *, can=lambda _: True, now=None):
        self.index, self.can, self.now = index, can, now or state()
        self.signals, self.calls = [], []
        self.counts = WorkerCounts("", [])
        self.ended = False

    async def call(self, name, **arguments):
        self.calls.append((name, arguments.get("request")))
        await asyncio.sleep(0.001 * self.index)
        if self.ended:
            raise ChannelClosedError
        if name == "apply":
            return {**self._load(arguments["request"]), "state": self.now}
        if name == "restore":
            wanted = arguments["state"]["models"]
            self.now = {"models": {model: each for model, each in wanted.items() if self.can(model)}}
        return self.now

    def _load(self, model):
        if not self.can(model):
            return {"error": "ModelLoadError", "text": f"worker {self.index} cannot load {model}"}
        self.now = {"models": {**self.now["models"], **state(**{model: "a"})["models"]}}
        return {"response": "done"}

    async def listen(self):
        self.calls.append(("listen", None))

    async def count(self):
        raise ChannelClosedError

    def signal(self, number):
        self.signals.append(number)


def run(test, *workers):
    async def body():
        coordinator = Coordinator()
        for each in workers:
            await coordinator.adopt(each, each.now)
        await test(coordinator)

    asyncio.run(asyncio.wait_for(body(), PATIENCE))


def load(coordinator, model):
    return coordinator.administer("/Load", model)


def test_all_do_what_one_is_asked_for_in_one_order():
    workers = Made(1), Made(2), Made(3)

    async def test(coordinator):
        answers = await asyncio.gather(*(load(coordinator, name) for name in "abcde"))
        assert answers == [{"response": "done"}] * 5
        assert coordinator.state == state(a="a", b="a", c="a", d="a", e="a")

    run(test, *workers)
    assert [each.calls for each in workers] == [workers[0].calls] * 3


def test_what_none_can_do_changes_nothing_and_is_told():
    workers = [Made(index, can=lambda name: name != "x") for index in (1, 2)]

    async def test(coordinator):
        assert (await load(coordinator, "x"))["error"] == ModelLoadError.__name__
        assert coordinator.state == state()
        assert coordinator.members == workers

    run(test, *workers)
    assert all("restore" not in dict(each.calls) for each in workers)


def test_one_that_cannot_do_what_another_did_is_replaced():
    able, unable = Made(1), Made(2, can=lambda name: name != "x")

    async def test(coordinator):
        assert await load(coordinator, "x") == {"response": "done"}
        assert coordinator.state == state(x="a")
        assert coordinator.members == [able]
        await load(coordinator, "y")

    run(test, unable, able)
    assert (able.signals, unable.signals) == ([], [signal.SIGTERM])
    assert [name for name, _ in unable.calls] == ["listen", "apply", "restore"], (
        "it was given a second chance"
    )


def test_one_that_can_do_it_at_the_second_try_stays():
    tries = []

    def second_time(name):
        tries.append(name)
        return len(tries) > 1

    slow = Made(2, can=second_time)

    async def test(coordinator):
        assert await load(coordinator, "x") == {"response": "done"}
        assert len(coordinator.members) == 2
        assert slow.now == coordinator.state

    run(test, Made(1), slow)
    assert slow.signals == []


def test_one_that_ends_meanwhile_is_no_reason_to_fail():
    gone, stays = Made(1), Made(2)

    async def test(coordinator):
        gone.ended = True
        assert await load(coordinator, "x") == {"response": "done"}
        coordinator.leave(gone)
        stays.ended = True
        with pytest.raises(UnavailableError, match="every worker ended"):
            await load(coordinator, "y")
        assert coordinator.state == state(x="a"), "whoever comes next serves what was served"

    run(test, gone, stays)


def test_a_newcomer_is_brought_to_the_standing_of_the_others_before_it_listens():
    newcomer = Made(2)

    async def test(coordinator):
        await load(coordinator, "x")
        await coordinator.adopt(newcomer, newcomer.now)
        assert newcomer.now == state(x="a")

    run(test, Made(1))
    assert [name for name, _ in newcomer.calls] == ["restore", "listen"]


def test_a_newcomer_that_cannot_serve_what_is_served_does_not_listen():
    newcomer = Made(2, can=lambda name: name != "x")

    async def test(coordinator):
        await load(coordinator, "x")
        with pytest.raises(UnfitError, match="cannot serve model 'x' version 1"):
            await coordinator.adopt(newcomer, newcomer.now)
        assert coordinator.state == state(x="a")

    run(test, Made(1))
    assert ("listen", None) not in newcomer.calls


def test_when_nobody_is_left_a_newcomer_serves_what_it_can():
    only, newcomer = Made(1), Made(2, can=lambda name: name != "x")

    async def test(coordinator):
        await load(coordinator, "x")
        await load(coordinator, "y")
        coordinator.leave(only)
        await coordinator.adopt(newcomer, newcomer.now)
        assert coordinator.state == state(y="a")

    run(test, only)
    assert ("listen", None) in newcomer.calls
