"""The commands under strace, which sees what libraries do natively: what is written, and who is spoken to.

Of a conversion the output and the temporary folder are written and nothing else, tried or done, but for /dev/null and
the names that threads give themselves; no socket is opened. A server and its client write nothing, and speak with
each other only.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import onnx
import psutil
import pytest
from onnx import TensorProto, helper
from patience import PATIENCE
from PIL import Image

CHANGES = """
    creat mkdir mkdirat mknod mknodat rename renameat renameat2 unlink unlinkat rmdir symlink symlinkat link linkat
    truncate ftruncate chmod fchmodat chown fchownat utimensat setxattr
""".split()
TALKS = "socket connect bind listen sendto sendmsg sendmmsg".split()
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
# An open folder or file, as strace writes it with -y, and a name, which may be relative to it.
PLACE = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>(?:, )?)?"(?P<name>[^"]*)"')
ALWAYS = re.compile(r"/dev/null(/keras.*)?|/proc/(self|\d+)/task/\d+/comm")
"""Nothing can be made below /dev/null, which is why what TensorFlow wants to keep is sent there."""


def strace(trace):
    """The command that writes the calls of what follows it, and of its children, that matter."""
    if not shutil.which("strace"):
        pytest.fail("strace is missing: install the package strace (apt-get install strace)")
    calls = ",".join(
        f"?{call}" for call in ["open", "openat", "openat2", *CHANGES, *TALKS]
    )  # some systems lack some
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-e", "signal=none", "-e", f"trace={calls}",
            "-o", str(trace)]  # fmt: skip


def calls_in(trace):
    """The calls in a trace, a line each."""
    return [line.partition(" ")[2].strip() for line in trace.read_text(errors="replace").splitlines()]


def traced(folder, *command, **environment):
    """Run a command; the calls of it and of its children that matter, a line each."""
    trace = folder / "trace"
    done = subprocess.run(
        [*strace(trace), *map(str, command)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, calls_in(trace)


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


ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "serving" / "data"
ADDRESS = re.compile(r'sin6?_port=htons\((?P<port>\d+)\).*?(?:inet_addr\("|, ")(?P<host>[^"]+)"')
ASKS_THE_KERNEL = ("AF_NETLINK", "NETLINK")
"""Which addresses the machine has, getaddrinfo asks; it leaves the machine as little as a file of /proc would."""


def spoken_to(calls):
    """Host and port of each address, and the path of each file, that is bound, connected to or sent to."""
    for call in calls:
        if name_of(call) in TALKS and not any(sign in call for sign in ASKS_THE_KERNEL):
            found = ADDRESS.search(call)
            if found:
                yield name_of(call), found["host"].removeprefix("::ffff:"), int(found["port"])
            elif "AF_UNIX" in call and "sun_path" in call:
                yield name_of(call), re.search(r'sun_path=@?"([^"]*)"', call)[1], 0


@pytest.fixture
def repository(tmp_path):
    """A model of each kind."""
    root = tmp_path / "repository"
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4, 4, 1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    for name in ("relu", "affine", "both"):
        (root / name / "1").mkdir(parents=True)
    onnx.save(model, root / "relu" / "1" / "model.onnx")
    shutil.copy(DATA / "affine.tflite", root / "affine" / "1" / "model.tflite")
    shutil.copytree(DATA / "both.savedmodel", root / "both" / "1" / "model.savedmodel")
    return root


@contextlib.contextmanager
def traced_server(root, folder, *options, **environment):
    """A server under strace; the line that it prints, and what it had written to stderr is a file in the folder."""
    command = [sys.executable, "-m", "serving", "serve", root, "--port", "0", "--lame-duck-seconds", "0"]
    with (folder / "err").open("w") as err:
        process = subprocess.Popen(
            [*strace(folder / "trace"), *map(str, [*command, *options])],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT), **environment},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
        try:
            yield process.stdout.readline().strip()
            for child in psutil.Process(process.pid).children():
                child.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_serving_writes_nothing_and_speaks_with_its_clients_only(repository, tmp_path, workers):
    own = {name: tmp_path / name for name in ("home", "temporary", "client", "served")}
    for each in own.values():
        each.mkdir()
    places = {"HOME": str(own["home"]), "TMPDIR": str(own["temporary"])}
    image = own["client"] / "image.png"
    Image.new("RGB", (8, 8)).save(image)
    python = {**places, "PYTHONPATH": str(ROOT)}
    options = ("--metrics-port", "0", "--workers", workers, "--allow-shared-memory")
    with traced_server(repository, own["served"], *options, **places) as line:
        assert line.startswith("Serving 3 models "), (own["served"] / "err").read_text()
        address = line.rpartition(" ")[2]
        ask = [sys.executable, "-m", "serving", "predict", "relu", "--input", image, "--server", address]
        done, calls = traced(own["client"], *ask, **python)
    assert done.returncode == 0, done.stderr
    host, port = address.split(":")

    assert {place for place in written(calls, tmp_path) if not ALWAYS.fullmatch(place)} == set()
    assert {each for each in spoken_to(calls) if each[0] != "bind"} == {("connect", host, int(port))}

    served = calls_in(own["served"] / "trace")
    # Python finds out whether it can write to the temporary folder, in which nothing is left.
    elsewhere = {place for place in written(served, tmp_path) if not ALWAYS.fullmatch(place)}
    # A trial of a version says that it is to go first when memory is short.
    elsewhere -= {"/proc/self/oom_score_adj"}
    assert {place for place in elsewhere if not place.startswith(str(own["temporary"]))} == set()
    talks = set(spoken_to(served))
    assert ("bind", host) in {(name, each) for name, each, _ in talks}
    # gRPC finds out whether there is IPv6 by binding to it.
    assert {each for _, each, _ in talks} <= {host, "::1"}
    assert {number for name, _, number in talks if name != "bind"} <= {int(port)}
    assert [*own["home"].iterdir(), *own["temporary"].iterdir()] == []
