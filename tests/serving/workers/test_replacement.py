"""Workers that end, hang or cannot start, and a supervisor that ends."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from patience import PATIENCE, until

from protos import open_inference_pb2 as pb

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture
def affine(repository, onnx_models):
    repository.onnx("affine", onnx_models.affine())
    return repository.root


def trial(root, *options):
    """Run a server that is not expected to start."""
    return subprocess.run(
        [sys.executable, "-m", "serving", "serve", str(root), "--metrics-port", "off", *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def ready(stub):
    try:
        return stub.ServerReady(pb.ServerReadyRequest(), timeout=PATIENCE).ready
    except grpc.RpcError:
        return False


def test_one_line_when_all_are_ready_and_all_end_with_zero(affine, start_fleet, is_alive, frontend):
    fleet = start_fleet(affine, workers=3)
    assert fleet.server.line == f"Serving 1 model ({frontend.name} front end) on 127.0.0.1:{fleet.port}"
    workers = fleet.workers()
    assert len(workers) == 3
    assert all(map(fleet.listens, workers))
    fleet.server.terminate()
    assert fleet.server.wait() == (0, "", "")
    assert not any(map(is_alive, workers))


def test_the_supervisor_has_no_grpc_and_no_runtime(affine, start_fleet):
    fleet = start_fleet(affine)
    mapped = [Path(f"/proc/{pid}/maps").read_text() for pid in (fleet.supervisor, fleet.workers()[0])]
    for library in ("cygrpc", "onnxruntime", "numpy"):
        assert library not in mapped[0]
        assert library in mapped[1]


def test_a_killed_worker_costs_only_its_own_requests_and_is_replaced(affine, start_fleet, put_load, capsys):
    fleet = start_fleet(affine)
    gone, _ = fleet.workers()

    async def kill(load):
        await load.more()
        held = len(fleet.connections(gone))
        killed = time.monotonic()
        os.kill(gone, signal.SIGKILL)
        (new,) = await asyncio.to_thread(fleet.replacement, gone)
        took = time.monotonic() - killed
        await load.more()
        return held, killed, took, new

    load, (held, killed, took, new) = put_load(fleet.address, kill, patient=True)
    figures = (
        f"{held} of 64 connections lost their worker, {len(load.failed)} requests failed, "
        f"{len(load.answered)} were answered; the next worker listened after {took:.2f} s"
    )
    with capsys.disabled():
        print(f"\n  {figures} ", end="")  # noqa: T201  the figures of docs/reliability.md
    assert set(load.codes()) <= {"UNAVAILABLE"}
    assert len({request_id.partition("-")[0] for request_id in load.failed}) == len(load.failed) <= held, (
        "a client that loses its worker loses the one request that it waits for"
    )
    assert all(when >= killed for _, _, when in load.failed.values())
    assert fleet.listens(new)


def test_a_worker_that_hangs_is_found_and_replaced_and_the_other_stays_ready(affine, start_fleet, ask):
    fleet = start_fleet(affine)
    with fleet.stubs() as found:
        (hanging, _), (stays, stub) = found.items()
        os.kill(hanging, signal.SIGSTOP)
        stopped = time.monotonic()
        while hanging in fleet.workers():
            assert stub.ServerReady(pb.ServerReadyRequest(), timeout=PATIENCE).ready
            assert stub.ModelInfer(ask(), timeout=PATIENCE).raw_output_contents
            assert time.monotonic() < stopped + PATIENCE
            time.sleep(0.1)
        assert time.monotonic() - stopped > 3, "a pause of a second or two is no reason to end a worker"
        (new,) = fleet.replacement(hanging)
        assert stays in fleet.workers()
    assert fleet.listens(new)
    fleet.server.terminate()
    code, _, err = fleet.server.wait()
    assert code == 0
    told, *more = err.splitlines()
    assert "did not answer for 5 s and was ended" in told
    # And no traceback of a question that it took along.
    assert all(re.fullmatch(r"WARNING: worker \d is back, as process \d+", line) for line in more)


def test_a_worker_that_ends_again_and_again_is_started_less_and_less_often(affine, start_fleet):
    fleet = start_fleet(affine)
    present, stays = fleet.workers()
    for _ in range(3):
        before = present
        os.kill(before, signal.SIGKILL)
        killed = time.monotonic()
        present = until(
            lambda before=before: next((e for e in fleet.workers() if e not in (before, stays)), None)
        )
        until(lambda present=present: fleet.listens(present))
    assert time.monotonic() - killed > 1.0, "the pause before the third is 1 s"
    fleet.server.terminate()
    code, _, err = fleet.server.wait()
    assert code == 0
    for told in (
        "worker 1 was ended by SIGKILL; the next starts in 0 s",
        "worker 1 was ended by SIGKILL, 2 in a row; the next starts in 0.5 s",
        "worker 1 was ended by SIGKILL, 3 in a row; the next starts in 1 s",
    ):
        assert told in err


def test_without_their_supervisor_the_workers_end(affine, start_fleet, is_alive):
    fleet = start_fleet(affine)
    workers = fleet.workers()
    fleet.server.process.kill()
    until(lambda: not any(map(is_alive, workers)))
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", fleet.port))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_all_at_once(
    repository, onnx_models, start_fleet, number, is_alive, count_to, traffic
):
    repository.onnx("counter", onnx_models.counter())
    # Without the second they would wait for longer than this test does.
    fleet = start_fleet(repository.root, "--drain-seconds", str(10 * PATIENCE), *traffic.options)
    workers = fleet.workers()
    with fleet.stubs() as found:
        endless = next(iter(found.values())).ModelInfer.future(count_to(10**12), timeout=PATIENCE)
        traffic.wait_for(running=1)
        fleet.server.terminate(number)
        until(lambda: not any(map(ready, found.values())))  # both have heard the first
        time.sleep(0.5)
        assert fleet.server.process.poll() is None
        fleet.server.terminate(number)
        code, _, _ = fleet.server.wait()
        assert code == 1
        assert not any(map(is_alive, workers))
        assert endless.exception(timeout=PATIENCE).code() is grpc.StatusCode.UNAVAILABLE


def command_line(pid):
    return Path(f"/proc/{pid}/cmdline").read_text()


@pytest.fixture
def starting(affine, children_of):
    """A server of two that is still starting, the first of them stopped; and the process of that one."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "serving",
            "serve",
            affine,
            "--port",
            "0",
            "--metrics-port",
            "off",
            "--workers",
            "2",
            "--drain-seconds",
            str(10 * PATIENCE),  # not waited for: nobody has asked anything
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    # Not before it is the worker's program: who starts a process waits for that.
    first = until(
        lambda: next((e for e in children_of(process.pid) if "commands.worker" in command_line(e)), None)
    )
    os.kill(first, signal.SIGSTOP)
    yield process, first
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=PATIENCE)


def test_a_signal_while_workers_start_ends_all_without_a_word(starting, is_alive):
    process, first = starting
    process.terminate()
    assert process.communicate(timeout=PATIENCE) == ("", "")
    assert process.returncode == 0
    assert not is_alive(first)


def test_a_worker_that_dies_at_the_first_start_ends_all_with_one_line(starting):
    process, first = starting
    os.kill(first, signal.SIGKILL)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (1, "")
    assert err == "plainserve serve: a worker could not start: it was ended by SIGKILL before it was ready\n"


def test_a_repository_that_is_missing_is_the_same_clear_line_as_with_one(tmp_path):
    one, two = (trial(tmp_path / "none", "--port", "0", "--workers", count) for count in "12")
    assert (one.returncode, two.returncode) == (2, 2)
    assert two.stderr == one.stderr
    assert len(two.stderr.splitlines()) == 1
    assert two.stdout == ""


def test_a_port_in_use_is_the_same_clear_line_as_with_one(affine):
    with socket.socket() as taken:
        # One that would share it, and must not be joined.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        one, two = (trial(affine, "--port", port, "--workers", count) for count in "12")
    assert (one.returncode, two.returncode) == (6, 6)
    assert two.stderr == one.stderr
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in two.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nobody_else_shares_the_port_even_while_a_worker_is_away(affine, start_fleet, workers):
    fleet = start_fleet(affine)
    for pid in fleet.workers():
        os.kill(pid, signal.SIGSTOP)
    refused = trial(affine, "--port", str(fleet.port), "--workers", workers)
    for pid in fleet.workers():
        os.kill(pid, signal.SIGCONT)
    assert refused.returncode == 6
    assert "Address already in use" in refused.stderr
