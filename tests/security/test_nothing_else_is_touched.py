"""A whole conversion under an audit hook: which files it opens, and that it talks to nobody.

Allowed are the source, the output, the temporary folder and what is installed, and beside them, because libraries
read them whatever the model:

    /proc, /sys           TensorFlow and numpy count processors and memory
    /dev/null             where libraries' chatter goes
    /etc, /usr            the system's name, time zones, shared libraries, installed data; read only
    a bare name or number a folder's entry relative to an open one, as its removal works; an open descriptor
    uname                 numpy asks for the processor
    one fork              the process of its own in which a file is converted
"""

import base64
import marshal
import shutil
import sys
from pathlib import Path

import pytest

import converter

MODELS = Path(__file__).parents[2] / "models"
INSTALLED = (
    sys.prefix,
    sys.base_prefix,
    str(Path(converter.__file__).parents[1]),
    str(Path(sys.executable).parent),
)
SYSTEM = ("/proc/", "/sys/", "/dev/null", "/etc/", "/usr/", "/lib/")
CHANGES = {
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
}


@pytest.fixture
def converted(audited, tmp_path):
    """Convert a file under the hook, with folders of its own; what it touched is checked."""

    def convert(source, *targets):
        own = {name: tmp_path / name for name in ("home", "temporary", "output")}
        for name in ("home", "temporary"):
            own[name].mkdir()
        environment = {"HOME": str(own["home"]), "TMPDIR": str(own["temporary"])}
        wanted = [word for target in targets for word in ("--to", target)]
        run = audited(source, *wanted, "--output", own["output"], **environment)
        mine = tuple(str(own[name]) for name in ("temporary", "output"))
        _check_opened(run, (str(source), *mine))
        _check_other(run, mine)
        assert list(own["temporary"].iterdir()) == list(own["home"].iterdir()) == []
        return run

    return convert


def _check_opened(run, mine):
    for _, name, mode in (event for event in run.events if event[0] == "open"):
        if not name.startswith("/"):  # relative to an open folder, or a descriptor
            assert "/" not in name, name
        elif not name.startswith(mine):
            assert name.startswith((*INSTALLED, *SYSTEM)), name
            assert name == "/dev/null" or not set(mode) & set("wax+"), (name, mode)


def _check_other(run, mine):
    forks = [event for event, *_ in run.other() if event == "os.fork"]
    assert len(forks) == 1
    for event, *details in run.other():
        if event == "os.fork":
            continue
        assert event in CHANGES, (event, details)
        paths = [detail for detail in details if detail.startswith("/")]
        assert all(path.startswith(mine) for path in paths), (event, details)


@pytest.mark.slow
def test_converting_a_good_file_touches_nothing_else(converted, tmp_path):
    source = tmp_path / "mnist_pss.keras"
    shutil.copy(MODELS / source.name, source)
    run = converted(source, "onnx", "tflite")
    assert run.code == 0, run.err
    assert {path.name for path in (tmp_path / "output").iterdir()} == {
        "mnist_pss.onnx",
        "mnist_pss.tflite",
        "mnist_pss.manifest.json",
    }


@pytest.mark.slow
def test_converting_a_hostile_file_touches_nothing_else_and_writes_nothing(
    converted, hostile, marker, tmp_path
):
    code = compile(f"lambda x: open('/tmp/{marker}', 'w') or x", "<lambda>", "eval").co_consts[0]
    stored = {"code": base64.b64encode(marshal.dumps(code)).decode(), "defaults": None, "closure": None}
    function = {"class_name": "__lambda__", "config": stored}
    layer = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "lambda", "function": function},
    }
    run = converted(hostile(layer), "onnx")
    assert run.code == 4
    assert "the lambda cannot be read" in run.err
    assert ["loaded"] not in run.events
    assert not Path(f"/tmp/{marker}").exists()  # noqa: S108  it must not be there
    assert not (tmp_path / "output").exists()


def test_the_hook_sees_what_it_is_meant_to_see(audited, tmp_path):
    """Without this, a hook that sees nothing would make every other test here pass."""
    missing = tmp_path / "missing.keras"
    assert str(missing) in audited(missing).opened() or audited(missing).code == 2
    shutil.copy(MODELS / "mnist_pss.keras", tmp_path / "model.keras")
    assert str(tmp_path / "model.keras") in audited(tmp_path / "model.keras").opened()
