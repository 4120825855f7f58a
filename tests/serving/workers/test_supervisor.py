"""What a supervisor does where the machine does not let it start a process."""

import asyncio
import errno
import logging

import pytest
from patience import PATIENCE

from serving.errors import StartupError
from serving.server.options import FrontEnd
from serving.workers import worker_slot
from serving.workers.channel import ChannelClosedError
from serving.workers.coordinator import Coordinator
from serving.workers.options import SupervisorOptions
from serving.workers.supervisor import Supervisor
from serving.workers.worker_process import WorkerProcess
from serving.workers.worker_slot import WorkerSlot

OPTIONS = SupervisorOptions(
    workers=1,
    host="127.0.0.1",
    port=0,
    metrics_port=None,
    frontend=FrontEnd.GRPCIO,
    poll_seconds=None,
    stop_seconds=1.0,
    arguments=(),
)


async def no_memory(*_):
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


class Made:
    """A worker that ends as soon as it is told to."""

    def __init__(self, index):
        self.index, self.pid, self.models, self.seconds, self.listening = index, 7, 1, 60.0, 1.0
        self.ended = asyncio.get_running_loop().create_future()
        self.counts = None

    async def call(self, _name, **_arguments):
        return {"models": {}}

    async def listen(self):
        pass

    async def count(self):
        pass

    async def death(self):
        return "ended with exit code 1"


def test_no_process_for_a_worker_at_the_start_is_told(monkeypatch):
    monkeypatch.setattr(WorkerProcess, "start", no_memory)
    with pytest.raises(StartupError, match="it got no process: Cannot allocate memory"):
        asyncio.run(Supervisor(OPTIONS, 1).start())


def test_a_worker_for_which_there_was_no_process_is_tried_again(monkeypatch, caplog):
    started = []

    async def start(index, _frontend, _handlers):
        started.append(index)
        if len(started) in {2, 3}:
            await no_memory()
        made.append(Made(index))
        return made[-1]

    async def run():
        keeper = Supervisor(OPTIONS, 1)
        assert await keeper.start() == 1
        keeper._coordinator._totals.retire = lambda _: None
        made[0].ended.set_result(1)
        async with asyncio.timeout(PATIENCE):
            while len(made) < 2 or made[1] not in keeper._coordinator.members:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.01)
        for task in keeper._tasks:
            task.cancel()
        await asyncio.gather(*keeper._tasks, return_exceptions=True)

    made = []
    monkeypatch.setattr(WorkerProcess, "start", start)
    monkeypatch.setattr(worker_slot, "BEAT", 0.01)
    monkeypatch.setattr("serving.workers.restart_backoff.FIRST", 0.01)
    with caplog.at_level(logging.WARNING):
        asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert started == [1, 1, 1, 1]
    assert [each.message for each in caplog.records] == [
        "worker 1 ended with exit code 1; the next starts in 0 s",
        "worker 1 got no process: Cannot allocate memory, 2 in a row; the next starts in 0.01 s",
        "worker 1 got no process: Cannot allocate memory, 3 in a row; the next starts in 0.02 s",
        "worker 1 is back, as process 7",
    ]


def test_a_supervisor_that_fails_at_its_work_says_so_and_is_not_idle(monkeypatch, caplog):
    def fails(_worker):
        raise ZeroDivisionError("here")

    async def start(index, _frontend, _handlers):
        return Made(index)

    async def run():
        keeper, lost = Supervisor(OPTIONS, 1), asyncio.Event()
        keeper.lost = lost.set
        await keeper.start()
        keeper._coordinator.leave = fails
        assert not keeper.failed
        keeper._processes()[0].ended.set_result(1)
        await asyncio.wait_for(lost.wait(), PATIENCE)
        assert keeper.failed

    monkeypatch.setattr(WorkerProcess, "start", start)
    monkeypatch.setattr(worker_slot, "BEAT", 0.01)
    with caplog.at_level(logging.ERROR):
        asyncio.run(asyncio.wait_for(run(), PATIENCE))
    (record,) = caplog.records
    assert record.message == "keeping the workers failed; ending"
    assert isinstance(record.exc_info[1], ZeroDivisionError)


def test_a_supervisor_that_is_told_to_end_has_not_failed(monkeypatch, caplog):
    async def start(index, _frontend, _handlers):
        return Made(index)

    async def run():
        keeper = Supervisor(OPTIONS, 1)
        await keeper.start()
        tasks = [*keeper._tasks]
        keeper._slots[0].process = None
        keeper.signal(15)
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
        assert all(task.cancelled() for task in tasks)
        assert not keeper.failed

    monkeypatch.setattr(WorkerProcess, "start", start)
    with caplog.at_level(logging.ERROR):
        asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert not caplog.records


def test_a_worker_that_lives_and_cannot_be_reached_is_ended(monkeypatch):
    async def unreachable():
        raise ChannelClosedError

    async def run():
        worker = Made(1)
        worker.count = unreachable
        worker.signal = lambda: worker.ended.set_result(-9)

        async def ended():
            return await worker.ended

        worker.wait = ended
        slot = WorkerSlot(1, OPTIONS, 1, Coordinator())
        reason = await asyncio.wait_for(slot.watch(worker), PATIENCE)
        assert reason.endswith("s and was ended")

    monkeypatch.setattr(worker_slot, "BEAT", 0.01)
    asyncio.run(asyncio.wait_for(run(), PATIENCE))
