import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

from serving.transport.native.availability import availability

HERE = Path(__file__).parent
SCRIPT = HERE / "fuzz_wire" / "run.py"
CORPUS = HERE / "wire_corpus"


def counted(line):
    return {
        what: int(number.replace(",", "")) for number, what in re.findall(r"(\d[\d,]*) ([A-Za-z_ ]+)", line)
    }


@pytest.mark.slow
@pytest.mark.parametrize("frontend", ["grpcio"] if availability() else ["grpcio", "native"])
def test_mutated_messages_are_answered_with_a_designed_status_and_harm_nobody(tmp_path, frontend):
    """The bounded run: what is kept, and then the same cases each time. ``make fuzz-wire`` runs many more."""
    command = [sys.executable, str(SCRIPT), "--messages", "6000", "--seed", "7", "--keep", str(tmp_path)]
    command += ["--frontend", frontend]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=4 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    tally = counted(done.stdout.splitlines()[-2])
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED", "UNAVAILABLE"} <= set(tally)
    # A fuzzer whose messages are all refused at the door finds nothing.
    assert min(tally[each] for each in ("OK", "streams", "connections", "questions")) > 30
    assert tally["packed"] > 20
    assert tally["messages"] >= 6000
    assert not list(tmp_path.iterdir())


def test_every_kept_message_is_small_and_belongs_to_a_method():
    files = [each for each in CORPUS.rglob("*") if each.is_file()]
    assert len(files) > 20
    assert sum(each.stat().st_size for each in files) < 64 * 1024
    assert {each.parent.name for each in files} == {
        "connection", "infer", "load", "metadata", "predict", "shared_memory", "stream"
    }  # fmt: skip


def test_a_case_is_decided_by_its_seed_and_its_number_alone():
    code = (
        "import hashlib, cases\n"
        "made = [cases.case(3, number) for number in range(400)]\n"
        "print(hashlib.sha256(repr([(each.method, each.payloads) for each in made]).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parents[1]}:{SCRIPT.parent}"}
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(digests) == 1


def test_messages_are_judged_by_what_they_cost_for_their_size(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from judge import costly  # noqa: PLC0415  a module beside the script

    assert not costly([100], 0.1, 10 << 20)
    assert not costly([2 << 20] * 10, 5.0, 300 << 20)
    assert costly([2 << 20], 1.4, 0)
    assert costly([100] * 64, 2.0, 0)
    assert costly([1 << 20], 0.0, 170 << 20)
