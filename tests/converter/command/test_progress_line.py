"""A terminal shows from the first instant what is being done, and in the end the results alone."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

STAND_IN = Path(__file__).parents[1] / "stand_in.py"
LINE = re.compile(r"\r([^\r\x1b]*)\x1b\[K")
# What the command imports before it says something; the stand-in is not needed for it.
FIRST = """
import sys
from converter.command import cli, progress_line

class Seen(progress_line.ProgressLine):
    def _write(self, text):
        heavy = {'numpy', 'rich', 'h5py'} & set(sys.modules)
        sys.stdout.write(f"{text!r} {sorted(heavy)}\\n")
        sys.stdout.flush()
        sys.exit(0)

cli.ProgressLine = Seen
cli.main(['model.keras'])
"""


def on_a_terminal(*command, **environment):
    """What a command prints on a terminal of 60 columns, and its exit code."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        ["env", "COLUMNS=60", *map(str, command)], stdin=child, stdout=child, stderr=child,
        env={**os.environ, "TERM": "xterm", **environment},
    )  # fmt: skip
    os.close(child)
    seen = bytearray()
    while True:
        try:
            data = os.read(parent, 65536)
        except OSError:  # the last one closed it
            break
        if not data:
            break
        seen += data
    os.close(parent)
    return seen.decode(), process.wait(60)


def after_lines(text):
    """What is left to see when each line was drawn over: all were cleared."""
    return LINE.sub("", text).replace("\r\n", "\n")


def test_the_first_words_come_before_what_takes_long_to_import():
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
    assert done.stdout == "'\\r| model.keras: starting\\x1b[K' []\n"


def test_a_conversion_shows_its_phases_and_then_its_results_alone(models, tmp_path):
    command = [sys.executable, STAND_IN, "3", models / "mnist_ss.keras", "--to", "onnx", "--output", tmp_path]
    text, code = on_a_terminal(*command)
    assert code == 0
    lines = LINE.findall(text)
    assert lines[0].endswith("mnist_ss.keras: starting")
    phases = [re.sub(r"^. ", "", line) for line in lines if line]
    assert [f"mnist_ss.keras: round {number}" for number in range(3)] == list(dict.fromkeys(phases))[-3:]
    assert len({line[0] for line in lines if line}) > 1  # it turns
    assert lines[-1] == ""
    assert re.sub(r"\x1b\[[0-9;]*m", "", after_lines(text)) == "mnist_ss.keras  unchanged\n"


@pytest.mark.parametrize("more", [[], ["--to", "onnx"]])
def test_an_error_stands_alone(tmp_path, more):
    (tmp_path / "text.keras").write_text("no model")
    text, code = on_a_terminal(sys.executable, "-m", "converter", tmp_path / "text.keras", *more)
    assert code == 3
    assert after_lines(text).startswith("convert: text.keras")
    assert text.count("\x1b[K") > 1


@pytest.mark.parametrize("quiet", [{"arguments": ["--json"]}, {"environment": {"TERM": "dumb"}}])
def test_nothing_is_drawn_where_nothing_should_be(models, quiet):
    command = [sys.executable, "-m", "converter", models / "mnist_ss.keras", *quiet.get("arguments", [])]
    text, code = on_a_terminal(*command, **quiet.get("environment", {}))
    assert code == 0
    assert "\x1b[K" not in text


def test_a_line_is_no_longer_than_the_terminal_is_wide(tmp_path):
    source = tmp_path / f"{'x' * 100}.keras"
    source.write_text("no model")
    text, _ = on_a_terminal(sys.executable, "-m", "converter", source)
    assert 0 < max(map(len, LINE.findall(text))) < 60


def test_a_name_cannot_steer_the_terminal(tmp_path):
    text, _ = on_a_terminal(sys.executable, "-m", "converter", tmp_path / "\x1b]0;title\x07.keras")
    assert "\x1b]" not in text


def test_a_terminal_that_is_closed_ends_the_conversion(models, tmp_path):
    """The system sends SIGHUP, and whatever is written then fails."""
    owning = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", owning,
         str(STAND_IN), "50", str(models / "mnist_ss.keras"), "--to", "onnx", "--output", str(tmp_path)],
        stdin=child, stdout=child, stderr=child, start_new_session=True,
        env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(child)
    seen = b""
    while b"round 1" not in seen:
        seen += os.read(parent, 65536)
    children = psutil.Process(process.pid).children()
    os.close(parent)
    assert process.wait(20) == 129
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert not list(tmp_path.glob(".*"))
