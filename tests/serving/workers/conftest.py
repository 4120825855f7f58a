"""Servers of several processes, seen from outside: which process has which connection, and a load to put on them."""

import asyncio
import os
import signal
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from patience import PATIENCE, until, until_async

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

ESTABLISHED = "01"
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


def children(pid):
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in listed]


def alive(pid):
    """Whether a process runs; one that has ended and waits to be seen by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def connections(pid, port):
    """The connections to a port that a process has accepted, by the number of their socket."""
    sockets = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            sockets.add(each.readlink().name)
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            is_ours = int(fields[1].rpartition(":")[2], 16) == port and fields[3] == ESTABLISHED
            if is_ours and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[9])
    return found


class Fleet:
    """A server of several processes.

    Attributes:
        supervisor: The process that was started.
        address: Where it serves.
    """

    def __init__(self, server):
        self.server, self.supervisor, self.address = server, server.process.pid, server.address
        self.port = int(server.address.rpartition(":")[2])

    def workers(self):
        return children(self.supervisor)

    @contextmanager
    def stubs(self):
        """A stub for each worker, by its process number, on a connection that this worker has accepted."""
        workers, found = self.workers(), {}
        with ExitStack() as stack:
            while len(found) < len(workers):
                before = {pid: connections(pid, self.port) for pid in workers}
                channel = stack.enter_context(grpc.insecure_channel(self.address, OWN_CONNECTION))
                GRPCInferenceServiceStub(channel).ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
                (pid,) = (each for each in workers if connections(each, self.port) - before[each])
                found.setdefault(pid, GRPCInferenceServiceStub(channel))
            yield found

    def connections(self, pid):
        return connections(pid, self.port)

    def listens(self, pid):
        """Whether a worker has a socket that clients' connections reach."""
        listening = {
            line.split()[9]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
            if int(line.split()[1].rpartition(":")[2], 16) == self.port and line.split()[3] == "0A"
        }
        with suppress(OSError):
            links = {each.readlink().name for each in Path(f"/proc/{pid}/fd").iterdir()}
            return bool({f"socket:[{each}]" for each in listening} & links)
        return False

    def replacement(self, *gone):
        """Wait until other workers listen in the place of those that are gone."""
        count = len(self.workers_at_start)

        def replaced():
            workers = self.workers()
            return len(workers) == count and not set(gone) & set(workers) and all(map(self.listens, workers))

        until(replaced)
        return [each for each in self.workers() if each not in self.workers_at_start]


def infer_request(model="affine", request_id=""):
    request = pb.ModelInferRequest(model_name=model, id=request_id, raw_input_contents=[bytes(12)])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
    return request


class Load:
    """Clients that each have a connection and ask again as soon as they are answered.

    Patient ones ask when they have a connection; others fail at once if they have just failed to get one.

    Attributes:
        answered: The ids of the requests that were answered.
        failed: Of each other, its status code, the text with it, and when it came.
    """

    def __init__(self, address, clients, patient):
        self.address, self.clients, self.patient = address, clients, patient
        self.answered, self.failed = set(), {}
        self.end = False

    async def run(self, meanwhile):
        """Ask until ``meanwhile``, a coroutine function that is given the load, returns."""
        tasks = [asyncio.create_task(self._ask(number)) for number in range(self.clients)]
        try:
            return await meanwhile(self)
        finally:
            self.end = True
            await asyncio.gather(*tasks)

    async def _ask(self, client):
        async with grpc.aio.insecure_channel(self.address, OWN_CONNECTION) as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            for number in range(1 << 30):
                if self.end:
                    return
                request_id = f"{client}-{number}"
                try:
                    data = infer_request(request_id=request_id).SerializeToString()
                    await call(data, timeout=PATIENCE, wait_for_ready=self.patient)
                    self.answered.add(request_id)
                except grpc.aio.AioRpcError as error:
                    self.failed[request_id] = error.code().name, error.details(), time.monotonic()
                    await asyncio.sleep(0.05)

    async def more(self, count=500):
        """Wait until so many more requests were answered."""
        before = len(self.answered)
        await until_async(lambda: len(self.answered) >= before + count)

    def codes(self):
        return Counter(code for code, _, _ in self.failed.values())


@pytest.fixture(scope="session")
def put_load():
    """Let clients ask while a coroutine function runs; give the load and what the function returned."""

    def put(address, meanwhile, *, clients=64, patient=False):
        load = Load(address, clients, patient)
        return load, asyncio.run(load.run(meanwhile))

    return put


@pytest.fixture(scope="session")
def ask():
    return infer_request


@pytest.fixture(scope="session")
def children_of():
    return children


@pytest.fixture(scope="session")
def is_alive():
    return alive


@pytest.fixture
def start_fleet(start_server):
    """Start a server of two processes."""
    yield from fleets(start_server)


@pytest.fixture(scope="module")
def start_module_fleet(start_module_server):
    """Likewise, for all tests of a module."""
    yield from fleets(start_module_server)


def fleets(start):
    started = []

    def make(root, *options, workers=2):
        fleet = Fleet(start(root, "--workers", str(workers), *options))
        fleet.workers_at_start = fleet.workers()
        started.append(fleet)
        return fleet

    yield make
    for fleet in started:
        # A stopped process cannot end by itself; without its supervisor it is nobody's.
        for pid in [
            *fleet.workers_at_start,
            *(children(fleet.supervisor) if alive(fleet.supervisor) else []),
        ]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
