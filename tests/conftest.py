"""What every test shares: a quiet TensorFlow, hypothesis that gives the same examples every time, other clients."""

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from patience import PATIENCE
from tensorflow_imports import ImportGuard, needs_tensorflow

from serving.transport.native.availability import availability

# Before anything imports TensorFlow or onnxruntime.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# A shell ignores some of these for its background jobs, and nohup one more. What is ignored is inherited: tests that
# send them would wait.
_HANDLERS = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
for _number, _handler in _HANDLERS.items():
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

settings.register_profile("plainserve", derandomize=True, database=None, deadline=None)
settings.load_profile("plainserve")


NATIVE_UNAVAILABLE = availability()


def pytest_addoption(parser):
    parser.addoption(
        "--quick", action="store_true", help="run only tests that are fast and need no TensorFlow"
    )


def pytest_configure(config):
    if NATIVE_UNAVAILABLE and os.environ.get("PLAINSERVE_NATIVE") == "require":
        raise pytest.UsageError(f"the native front end is to be tested: {NATIVE_UNAVAILABLE}")
    gc.disable()  # until all tests are collected
    if config.option.quick:
        config.option.markexpr = (
            config.option.markexpr or "not tensorflow and not slow and not heavy and not alone"
        )
        sys.meta_path.insert(0, ImportGuard())


def pytest_ignore_collect(collection_path, config):
    """In a quick run, leave out files that import TensorFlow, and folders whose conftest.py does."""
    file = collection_path / "conftest.py" if collection_path.is_dir() else collection_path
    if config.option.quick and file.suffix == ".py" and file.is_file():
        folders = tuple(map(Path, (config.rootpath, *config.getini("pythonpath"))))
        return needs_tensorflow(file, folders) or None
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter):
    """Say what was left out, after everything else that is said."""
    yield
    if NATIVE_UNAVAILABLE:
        terminalreporter.section("not tested: the native front end", yellow=True)
        terminalreporter.line(
            f"Servers were tested with grpcio alone. The native front end: {NATIVE_UNAVAILABLE}."
        )
        terminalreporter.line("In this repository, make native builds it.")


def pytest_collection_finish():
    """Leave what was collected and imported out of later garbage collections: converting asks for several."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def models(root) -> Path:
    """The example models."""
    return root / "models"


@pytest.fixture(scope="session")
def clients_python(root) -> Path:
    """The Python that has the clients which cannot share our environment."""
    python = root / ".venv-clients" / "bin" / "python"
    if not python.exists():
        pytest.fail(".venv-clients is missing: run 'make clients', which installs requirements/clients.txt")
    return python


@pytest.fixture(scope="session")
def ask(root):
    """Run a program of tests/clients in a process of its own: a job in, what came of it out."""

    def run(program: str, job: dict, python: Path | str = sys.executable) -> dict:
        done = subprocess.run(
            [python, root / "tests" / "clients" / program],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
