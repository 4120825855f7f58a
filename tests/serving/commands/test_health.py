import socket
import subprocess
import sys

import pytest
from free_ports import free_port
from patience import PATIENCE


def test_a_server_that_serves_is_healthy(run, capsys):
    assert run("health") == 0
    assert capsys.readouterr().out.endswith(": SERVING\n")


def test_a_model_that_serves_is_healthy(run, capsys):
    assert run("health", "--model", "rows") == 0
    assert capsys.readouterr().out.startswith("model 'rows' at 127.0.0.1:")


def test_a_model_that_does_not_serve_is_not(run, capsys):
    assert run("health", "--model", "broken") == 1
    assert capsys.readouterr().out.endswith(": NOT_SERVING\n")


def test_an_unknown_model_is_not(run, capsys):
    assert run("health", "--model", "nothing") == 1
    assert "NOT_FOUND" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_not(run, capsys):
    free = f"127.0.0.1:{free_port()}"
    assert run("health", server=free) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "UNAVAILABLE" in captured.err


def test_a_server_that_accepts_and_says_nothing_is_not_within_the_timeout(run, capsys):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert run("health", "--timeout", "0.2", server=f"127.0.0.1:{silent.getsockname()[1]}") == 1
    assert "DEADLINE_EXCEEDED" in capsys.readouterr().err


def test_a_proxy_in_the_environment_is_not_used(run, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert run("health") == 0


@pytest.mark.parametrize("command", ["health", "predict"])
def test_declaring_the_commands_imports_nothing_heavy(command):
    heavy = {"grpc", "numpy", "rich", "protos"}
    code = f"import sys, serving.commands.{command}; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stdout == "set()\n"


def test_the_health_check_needs_no_numpy(address):
    code = (
        "import sys\n"
        "from serving.cli import main\n"
        f"code = main(['health', '--server', {address!r}])\n"
        "print(code, 'numpy' in sys.modules, 'rich' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stdout.splitlines()[-1] == "0 False False"
