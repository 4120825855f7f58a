"""What the machine lacks is told as that, with exit code 6, whatever a library calls it."""

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from converter.errors import EnvironmentLacksError, UnsupportedError, UsageError
from converter.process.environment_errors import as_environment_error
from converter.process.isolation import Limits, confined

SOURCE = Path("somewhere/model.keras")
STAND_IN = Path(__file__).parents[1] / "stand_in.py"


def wrapped(error):
    """An error of ours that was raised from another one."""
    made = UnsupportedError("the exporter refuses it")
    made.__cause__ = error
    return made


LACKS = [
    (MemoryError(), "needs more memory than there is"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "needs more memory than there is"),
    (RuntimeError("std::bad_alloc"), "needs more memory than there is"),
    (ImportError("libx.so: failed to map segment from shared object"), "needs more memory than there is"),
    (wrapped(MemoryError()), "needs more memory than there is"),
    (wrapped(wrapped(RuntimeError("OOM when allocating tensor"))), "needs more memory than there is"),
    (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "no process or thread can be started"),
    (RuntimeError("can't start new thread"), "no process or thread can be started"),
    (wrapped(RuntimeError("Resource temporarily unavailable")), "no process or thread can be started"),
    (OSError(errno.EMFILE, "Too many open files"), "needs more open files than it may have"),
    (ImportError("libx.so: cannot open shared object file: Too many open files"), "needs more open files"),
    (OSError(errno.ENOSPC, "No space left on device"), "place: cannot write: No space left on device"),
    (OSError(errno.EROFS, "Read-only file system"), "place: cannot write: Read-only file system"),
    (OSError("file write failed: errno = 28, error message = 'No space left on device'"), "place: cannot write: No"),
    (RuntimeError("RESOURCE_EXHAUSTED: /x; No space left on device"), "place: cannot write: No space left on device"),
    (wrapped(RuntimeError("No space left on device")), "place: cannot write: No space left on device"),
    (PermissionError(errno.EACCES, "Permission denied"), "place: cannot write: Permission denied"),
    (ModuleNotFoundError("No module named 'h5py'", name="h5py"), "needs the package h5py, which is not installed"),
    (ImportError("libz.so: cannot open", name="_z"), "cannot import _z: libz.so: cannot open"),
]  # fmt: skip

NO_LACKS = [
    ValueError("wrong"),
    FileNotFoundError(errno.ENOENT, "No such file or directory"),
    UnsupportedError("is odd"),
    wrapped(ValueError("wrong")),
    wrapped(PermissionError(errno.EACCES, "Permission denied")),
    ModuleNotFoundError("No module named 'converter.there'", name="converter.there"),
]


@pytest.mark.parametrize(("error", "words"), LACKS, ids=str)
def test_lack_is_told_with_what_to_do(error, words):
    found = as_environment_error(error, "place")
    assert str(found).startswith(words)
    assert found.exit_code == 6
    assert found.hint


@pytest.mark.parametrize("error", NO_LACKS, ids=repr)
def test_what_is_no_lack_is_not_called_one(error):
    assert as_environment_error(error, "place") is None


def test_lack_stays_as_it_was_told():
    told = EnvironmentLacksError("cannot write", where="here")
    told.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert as_environment_error(told, "elsewhere") is told


def test_reason_of_a_broken_library_is_the_first_one():
    """TensorFlow's own way to tell: a page, with the reason in it."""
    try:
        try:
            raise ImportError("libcuda.so.9: cannot open shared object file", name="_pywrap")  # noqa: TRY301
        except ImportError:
            raise ImportError("Traceback (most recent call last):\n...\n\nFailed to load.\nSee https://x")  # noqa: B904
    except ImportError as error:
        found = as_environment_error(error)
    assert found.what == "cannot import _pywrap: libcuda.so.9: cannot open shared object file"


def run(work):
    return confined(work, SOURCE, Limits())


@pytest.mark.parametrize(
    "error",
    [MemoryError(), OSError(errno.ENOSPC, "No space left on device"), RuntimeError("std::bad_alloc")],
    ids=str,
)
def test_lack_in_the_work_is_told_by_its_parent(error):
    def work():
        raise error

    with pytest.raises(EnvironmentLacksError):
        run(work)


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOMEM])
def test_process_that_cannot_be_started_is_a_lack(monkeypatch, code):
    def fork():
        raise OSError(code, os.strerror(code))

    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  a kernel folder
    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(EnvironmentLacksError):
        run(list)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208  likewise


def test_no_folder_for_temporary_files_is_a_lack(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/one", "/proc/two"])
    with pytest.raises(EnvironmentLacksError) as caught:
        run(list)
    assert str(caught.value) == (
        "model.keras: no folder for temporary files can be made: "
        "No usable temporary directory found in ['/proc/one', '/proc/two']\n"
        "Set TMPDIR to a folder that can be written and has some space."
    )


def test_folder_for_temporary_files_that_takes_none_is_a_lack(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    with pytest.raises(
        EnvironmentLacksError, match="no folder for temporary files can be made: No such file"
    ):
        run(list)


def test_reader_that_left_is_one_in_the_parent_too():
    def work():
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run(work)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGXCPU])
def test_process_that_somebody_else_ends_is_no_fault_of_the_file(number):
    with pytest.raises(EnvironmentLacksError, match=rf"was terminated by a signal \({number.name}\)"):
        run(lambda: os.kill(os.getpid(), number))


def test_crash_where_memory_is_limited_is_told_as_a_lack():
    def limited():
        resource.setrlimit(resource.RLIMIT_DATA, (2**40, 2**40))

    script = (
        "import os\nfrom pathlib import Path\nfrom converter.process.isolation import Limits, confined\n"
        "try:\n    confined(os.abort, Path('m.keras'), Limits())\n"
        "except Exception as error: print(error.exit_code, error.what)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], preexec_fn=limited, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("6 ended with SIGABRT; the memory that a process may have is limited here")


@pytest.mark.parametrize("command", ["-m converter", f"{STAND_IN} 1 --to onnx"])
@pytest.mark.parametrize("into", [">/dev/full", ">&-", "--json >/dev/full"])
def test_stdout_that_takes_nothing_is_a_lack(models, tmp_path, command, into):
    source = tmp_path / "model.keras"
    source.write_bytes((models / "mnist_ss.keras").read_bytes())
    done = subprocess.run(  # noqa: S602  the words are our own
        f"{sys.executable} {command} {source} {into}",
        shell=True, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    assert "stdout: " in done.stderr
    assert done.stderr.count("\n") == 2
    assert not list(tmp_path.rglob(".*"))


def test_stderr_that_is_closed_changes_nothing(models):
    line = f"{sys.executable} -m converter {models / 'mnist_ss.keras'} missing.keras 2>&-"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)  # noqa: S602  our own
    assert (done.returncode, done.stderr) == (2, "")
    assert "mnist_ss.keras" in done.stdout


HIDDEN = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {'h5py', 'keras', 'ml_dtypes', 'onnx', 'tensorflow', 'tf2onnx'}:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

sys.meta_path.insert(0, Without())
from converter.command.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("more", [[], ["--to", "onnx"], ["--to", "onnx", "--json"]])
def test_without_the_extra_the_command_says_how_to_install_it(models, tmp_path, more):
    output = ["--output", tmp_path / "output"] if more else []
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN, models / "mnist_ss.keras", *more, *output],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    assert done.stderr.endswith("which is not installed\nInstall it: pip install 'plainserve[converter]'\n")
    assert done.stderr.count("\n") == 2
    assert not (tmp_path / "output").exists()


def test_broken_tensorflow_is_told_with_its_reason(models, tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow/__init__.py").write_text("raise ImportError('libx.so: cannot open', name='_x')\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "converter", models / "mnist_ss.keras", "--to", "onnx",
         "--output", tmp_path / "output"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 6
    assert done.stderr == (
        "convert: mnist_ss.keras: cannot import _x: libx.so: cannot open\n"
        "Repair the installation: pip install --force-reinstall 'plainserve[converter]'\n"
    )
    assert not (tmp_path / "output").exists()


def test_usage_is_no_lack():
    assert as_environment_error(UsageError("is not a folder")) is None
