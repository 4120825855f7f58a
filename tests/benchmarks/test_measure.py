"""The comparison, run for a moment: servers start, their answers are checked, and what they use is measured."""

import shutil
from dataclasses import replace

import pytest

from benchmarks.contenders import constants, in_process, plainserve
from benchmarks.contenders.network import NetworkServer
from benchmarks.processes import StartError
from benchmarks.rounds import measure
from benchmarks.workloads import WORKLOADS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("h2load") is None, reason="needs h2load (apt-get install nghttp2-client)"
    ),
]
WORKLOAD = {each.key: each for each in WORKLOADS}
SECONDS = 0.3


def test_servers_are_measured_in_turn():
    grpcio = next(each for each in constants.contenders() if each.title == "grpcio, constant")
    ours = next(plainserve.contenders())
    compared = [ours, grpcio, in_process.InProcess()]
    found = measure(WORKLOAD["c8"], compared, rounds=2, seconds=SECONDS)
    assert found.absent == {}
    assert list(found.samples) == [each.title for each in compared]
    for samples in found.samples.values():
        assert len(samples) == 2
        assert all(each.rate > 0 and each.p99 > 0 and each.memory > 1_000_000 for each in samples)


def test_tls_and_predict_are_answered():
    ours = next(plainserve.contenders())
    for key in ("tls", "predict"):
        found = measure(WORKLOAD[key], [ours], rounds=1, seconds=SECONDS)
        assert list(found.samples) == [ours.title], found.absent


def test_a_server_that_does_not_start_or_answers_wrongly_is_absent_and_the_others_are_measured():
    def start(_setting):
        raise StartError("did not start")

    grpcio = next(each for each in constants.contenders() if each.title == "grpcio, constant")
    wrong = NetworkServer("wrong", lambda setting: grpcio.start(_other_answer(setting)), constant=True)
    found = measure(
        WORKLOAD["c1"], [NetworkServer("broken", start), wrong, grpcio], rounds=1, seconds=SECONDS
    )
    assert found.absent == {"broken": "did not start", "wrong": "does not answer with the constant"}
    assert list(found.samples) == ["grpcio, constant"]


def _other_answer(setting):
    return replace(setting, prepared=replace(setting.prepared, answer=b"other"))
