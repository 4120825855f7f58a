"""A whole conversion under strace, which sees what libraries do natively: what is written, and who is spoken to.

Written are the output, the temporary folder and nothing else, tried or done, but for /dev/null and the names that
threads give themselves. No socket is opened.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHANGES = """
    creat mkdir mkdirat mknod mknodat rename renameat renameat2 unlink unlinkat rmdir symlink symlinkat link linkat
    truncate ftruncate chmod fchmodat chown fchownat utimensat setxattr
""".split()
TALKS = "socket connect bind listen sendto sendmsg sendmmsg".split()
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
# An open folder or file, as strace writes it with -y, and a name, which may be relative to it.
PLACE = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>(?:, )?)?"(?P<name>[^"]*)"')
ALWAYS = re.compile(r"/dev/null|/proc/(self|\d+)/task/\d+/comm")


def traced(folder, *command, **environment):
    """Run a command; the calls of it and of its children that matter, a line each."""
    if not shutil.which("strace"):
        pytest.fail("strace is missing: install the package strace (apt-get install strace)")
    trace = folder / "trace"
    calls = ",".join(
        f"?{call}" for call in ["open", "openat", "openat2", *CHANGES, *TALKS]
    )  # some systems lack some
    done = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-e", "signal=none", "-e", f"trace={calls}",
         "-o", trace, *map(str, command)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, [line.partition(" ")[2].strip() for line in trace.read_text(errors="replace").splitlines()]


def name_of(call):
    return call.partition("(")[0]


def written(calls, folder):
    """The places that calls change, or would."""
    for call in calls:
        if name_of(call) in CHANGES or (name_of(call).startswith("open") and WRITING.search(call)):
            arguments = re.sub(r" = \d+<.*", "", call)
            for place in PLACE.finditer(arguments):
                yield str(folder / (place["folder"] or "") / place["name"])


@pytest.mark.slow
def test_converting_writes_nothing_elsewhere_and_opens_no_socket(models, tmp_path):
    home, temporary, output = (tmp_path / name for name in ("home", "temporary", "output"))
    home.mkdir()
    temporary.mkdir()
    formats = [word for name in ("onnx", "tflite", "saved_model", "keras") for word in ("--to", name)]
    formats += ["--samples", models / "mnist_ss.npz"]
    command = [sys.executable, "-m", "converter", models / "mnist_ss.keras", *formats, "--output", output]
    done, calls = traced(
        tmp_path, *command, HOME=str(home), TMPDIR=str(temporary), PYTHONPATH=os.environ.get("PYTHONPATH", "")
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [call for call in calls if name_of(call) in TALKS] == []
    places = set(written(calls, tmp_path))
    mine = (str(output), str(temporary))
    assert [place for place in places if not place.startswith(mine) and not ALWAYS.fullmatch(place)] == []
    assert list(home.iterdir()) == list(temporary.iterdir()) == []
    assert len([place for place in places if place.startswith(mine)]) > 50


def test_the_trace_sees_what_it_is_to_see(tmp_path):
    """Without this, a trace that sees nothing would make the test above pass."""
    script = (
        "import os, shutil, socket, subprocess\n"
        "os.mkdir('a'); open('a/b', 'w').close(); os.rename('a/b', 'a/c'); shutil.rmtree('a')\n"
        "subprocess.run(['mkdir', 'd'])\n"
        "socket.socket(socket.AF_INET6).bind(('::1', 0))\n"
    )
    done, calls = traced(tmp_path, sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    assert {str(tmp_path / name) for name in ("a", "a/b", "a/c", "d")} <= set(written(calls, tmp_path))
    assert {"socket", "bind"} <= set(map(name_of, calls))
    assert Path(tmp_path / "d").is_dir()
