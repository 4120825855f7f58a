"""A server that is stopped while 64 clients ask: what it began, it answers; what it did not, it says so.

A request is accepted when it has reached its handler, which the log shows. Clients may see UNAVAILABLE for requests
that were not, and nothing else: that code says that trying again, elsewhere or later, is safe.

Twenty repetitions:  python -m pytest tests/serving/workers/test_stopping_under_load.py -m heavy
"""

import asyncio
import re
import signal
from threading import Thread

import pytest
from patience import PATIENCE, until_async

pytestmark = pytest.mark.slow

ANSWERED = re.compile(r"INFO: request request_id=(\S+) .* code=OK ")


def stop_under_load(server, put_load):
    """Give the load, the ids of the requests that the server answered, and how it ended."""
    logged = []
    reader = Thread(target=lambda: logged.extend(server.process.stderr))
    reader.start()

    async def stop(load):
        await load.more()
        server.terminate(signal.SIGTERM)
        await asyncio.to_thread(server.process.wait, PATIENCE)
        await until_async(lambda: load.failed)

    load, _ = put_load(server.address, stop)
    reader.join(PATIENCE)
    others = [line for line in logged if not ANSWERED.match(line)]
    assert others == [], "nothing but answered requests"
    return load, [ANSWERED.match(line)[1] for line in logged]


def check(server, put_load):
    load, ids = stop_under_load(server, put_load)
    assert server.process.returncode == 0
    assert set(load.codes()) == {"UNAVAILABLE"}, "clients that go on asking are told to go elsewhere"
    assert sorted(ids) == sorted(load.answered), "what was accepted was answered, once, and arrived"


@pytest.fixture
def start(repository, onnx_models, start_server):
    repository.onnx("affine", onnx_models.affine())
    repository.config("affine", "dynamic_batching { }")  # so that there is nothing to tell of batches
    return lambda workers: start_server(repository.root, "--workers", str(workers), "--log-level", "info")


@pytest.mark.parametrize("workers", [1, 2])
def test_no_accepted_request_is_lost(start, put_load, workers):
    check(start(workers), put_load)


@pytest.mark.heavy
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("repetition", range(20))
def test_no_accepted_request_is_lost_again_and_again(start, put_load, workers, repetition):
    assert repetition < 20
    check(start(workers), put_load)
