"""Lambdas as each version of Python marshals them, recorded once by ``record_lambdas.py``."""

import json
from pathlib import Path

import pytest

RECORDINGS = sorted(Path(__file__).with_name("recorded").glob("*.json"))


def pytest_generate_tests(metafunc):
    if "recording" in metafunc.fixturenames:
        metafunc.parametrize("recording", RECORDINGS, ids=lambda path: path.stem, indirect=True)


@pytest.fixture(scope="session")
def recording(request):
    """What one version of Python wrote, by (context, source)."""
    rows = json.loads(request.param.read_text())["lambdas"]
    return {(row["context"], row["source"]): row for row in rows}
