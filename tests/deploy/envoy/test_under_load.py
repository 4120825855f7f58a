"""Two servers under load: behind Envoy as the compose file configures it, over one connection; and without it."""

import asyncio
import signal

import numpy as np
import pytest
import tritonclient.grpc as triton

pytestmark = pytest.mark.slow

REQUESTS = 1000


def counts(fleet):
    return [server.answered if server.process else 0 for server in fleet.servers]


def test_requests_over_one_connection_are_spread_evenly(fleet, load):
    before = counts(fleet)

    async def run():
        async with load(fleet.address) as running:
            await running.more(REQUESTS)
        return running.outcomes

    outcomes = asyncio.run(run())
    shares = [after - earlier for earlier, after in zip(before, counts(fleet), strict=True)]
    assert outcomes == {"OK": sum(shares)}
    even = sum(shares) / len(shares)
    assert all(abs(share - even) <= 0.1 * even for share in shares)


def test_no_request_fails_while_a_server_is_told_to_stop(fleet, load):
    stopped, other = fleet.servers

    async def run():
        async with load(fleet.address) as running:
            await running.more(REQUESTS)
            code = await asyncio.to_thread(stopped.end, signal.SIGTERM)
            await running.more(REQUESTS)
        return code, running.outcomes

    code, outcomes = asyncio.run(run())
    assert code == 0
    assert set(outcomes) == {"OK"}
    assert other.answered > REQUESTS


def test_a_killed_server_costs_nothing_but_what_it_was_doing(fleet, load):
    killed, other = fleet.servers

    async def run():
        async with load(fleet.address) as running:
            await running.more(REQUESTS)
            code = await asyncio.to_thread(killed.end, signal.SIGKILL)
            await running.more(REQUESTS)
        return code, running

    code, running = asyncio.run(run())
    assert code == -signal.SIGKILL
    assert set(running.outcomes) <= {"OK", "UNAVAILABLE"}
    assert running.outcomes["UNAVAILABLE"] <= running.at_once
    assert other.answered > REQUESTS


def test_a_server_that_comes_back_gets_requests_again(fleet, load):
    gone, _ = fleet.servers

    async def run():
        async with load(fleet.address) as running:
            await asyncio.to_thread(gone.end, signal.SIGKILL)
            await running.more(REQUESTS)
            failed = running.outcomes["UNAVAILABLE"]
            await asyncio.to_thread(fleet.complete)
            await running.more(REQUESTS)
            return failed, running.outcomes

    failed, outcomes = asyncio.run(run())
    assert outcomes["UNAVAILABLE"] == failed
    assert gone.answered > 0


def test_a_client_that_balances_by_itself_needs_no_envoy(fleet):
    """As behind a headless service of Kubernetes: one name, all addresses."""
    before = counts(fleet)
    addresses = ",".join(f"127.0.0.1:{server.port}" for server in fleet.servers)
    tensor = triton.InferInput("x", [1, 4], "FP32")
    tensor.set_data_from_numpy(np.ones((1, 4), np.float32))
    options = [("grpc.lb_policy_name", "round_robin")]
    with triton.InferenceServerClient(f"ipv4:{addresses}", channel_args=options) as client:
        for _ in range(100):
            client.infer("double", [tensor])
    shares = [after - earlier for earlier, after in zip(before, counts(fleet), strict=True)]
    assert sum(shares) == 100
    assert all(abs(share - 50) <= 5 for share in shares)
