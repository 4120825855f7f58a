import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

GENERATE = Path(importlib.util.find_spec("protos.pool").origin).with_name("generate.py")


@pytest.fixture
def copy(tmp_path):
    """A copy of protos/ that a test may spoil."""
    shutil.copytree(GENERATE.parent, tmp_path / "protos", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "protos"


def generate(folder, *arguments):
    command = [sys.executable, folder / "generate.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_committed_code_is_up_to_date():
    done = generate(GENERATE.parent, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_generating_anew_gives_the_same_bytes(copy):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    for path in copy.glob("*_pb2*"):
        path.unlink()
    assert generate(copy).returncode == 0
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_check_fails_in_one_line_when_a_contract_changed_and_writes_nothing(copy):
    contract = copy / "tensorflow_error.proto"
    contract.write_text(contract.read_text().replace("OK = 0", "FINE = 0"))
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    done = generate(copy, "--check")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "tensorflow_error_pb2.py" in done.stderr
    assert "run 'make protos'" in done.stderr
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_check_notices_generated_code_without_a_contract_and_generating_removes_it(copy):
    stray = copy / "gone_pb2.py"
    stray.write_text("")
    assert "gone_pb2.py" in generate(copy, "--check").stderr
    assert generate(copy).returncode == 0
    assert not stray.exists()


def test_a_contract_that_is_wrong_is_reported_by_place(copy):
    (copy / "tensorflow_error.proto").write_text('syntax = "proto3";\nmessage {')
    done = generate(copy)
    assert done.returncode == 2
    assert "tensorflow_error.proto:2" in done.stderr
