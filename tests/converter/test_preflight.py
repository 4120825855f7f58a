"""Mistakes that need no framework are found before one is imported, which takes ten seconds and more."""

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

# Imports of a framework fail here, and would be told as what the machine lacks, with exit code 6.
SCRIPT = """
import contextlib, io, json, sys

class NoFrameworks:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {'tensorflow', 'keras', 'tf2onnx', 'onnx', 'onnxruntime', 'ai_edge_litert'}:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name.partition('.')[0])

sys.meta_path.insert(0, NoFrameworks())
from converter.command.cli import main

for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""

MISTAKES = {
    "no such source": ("missing.keras --to onnx", 2, "missing.keras"),
    "a source that is a folder": ("folder --to onnx", 3, "is an empty folder"),
    "a source that is no model": ("text.keras --to onnx", 3, "text.keras"),
    "no such samples": ("good --samples missing.npz", 2, "--samples missing.npz: cannot be read"),
    "samples that are no arrays": ("good --samples text.keras", 2, "is not a file of arrays"),
    "samples that are objects": ("good --samples objects.npy", 2, "Python objects"),
    "samples of other names": ("good --samples names.npz", 2, "lacks 'input_layer'"),
    "samples of another shape": ("good --samples shape.npz", 2, "has shape (3, 5), and (rows, 784) was expected"),
    "samples of another dtype": ("good --samples dtype.npz", 2, "cannot be cast without loss"),
    "no rows": ("good --samples none.npz", 2, "at least one"),
    "samples that do not fill the batch": ("good --samples good.npz --batch 2", 2, "a multiple of 2"),
    "no such answers": ("good --samples good.npz --expected missing.npz", 2, "missing.npz: cannot be read"),
    "answers of other names": ("good --samples good.npz --expected names.npz", 2, "lacks 'dense_1'"),
    "answers to other rows": ("good --samples good.npz --expected rows.npz", 2, "the same number was expected"),
    "answers that are words": ("good --samples good.npz --expected words.npz", 2, "rows of numbers were expected"),
    "answers that are one number": ("good --samples good.npz --expected scalar.npz", 2, "rows of numbers"),
    "answers without samples": ("good --expected good.npz", 2, "--expected needs --samples"),
    "an output that is a file": ("good --output text.keras", 2, "text.keras: is not a folder"),
    "an output below a file": ("good --output text.keras/deeper", 2, "is not a folder"),
    "an output that takes nothing": ("good --output /proc/here", 6, "no folder can be made here"),
    "an artefact in its source's place": ("link.keras --to keras", 2, "the artefact would replace its source"),
    "a name that no repository holds": ("good --repository there --name a/b", 2, "is no name for a model"),
    "two places": ("good --repository there --output here", 2, "exclude each other"),
    "a format for no server": ("good --repository there --to keras", 2, "no server runs 'keras'"),
    "no such code": ("good --custom-objects missing.py", 2, "--custom-objects missing.py: is not a file"),
    "code that is no Python": ("good --custom-objects wrong.py", 2, "wrong.py: line 2: "),
    "code that is binary": ("good --custom-objects names.npz", 2, "--custom-objects names.npz: "),
    "a layer that is not there": ("good --activation there=ss", 2, "names the layer 'there'"),
    "a formula that is none": ("good --activation lambda=there", 2, "there"),
    "a shape that is none": ("good --input-shape 8,x", 2, "is not a list of sizes"),
    "a shape that contradicts": ("good --input-shape 785", 2, "the model says (784)"),
    "a shape of no input": ("good --input-shape there=784", 2, "It has: input_layer."),
    "an opset that is none": ("good --opset 99", 2, "opset 99 cannot be written"),
    "kept in a file": ("good --keep-failed text.keras", 2, "--keep-failed text.keras: is not a folder"),
    "no mistake": ("good", 6, "needs the package"),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(models, tmp_path_factory):
    """What the command says to each mistake, from a process in which no framework can be imported."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "folder").mkdir()
    (folder / "text.keras").write_text("no model")
    (folder / "wrong.py").write_text("class Good:\n    def\n")
    model = (models / "mnist_ss.keras").read_bytes()
    (folder / "good_plain.keras").write_bytes(model)
    (folder / "link.keras").write_bytes(model)
    (folder / "link_plain.keras").symlink_to("link.keras")
    (folder / "good.keras").write_bytes(model)
    np.save(folder / "objects.npy", np.array([{}, None], dtype=object))
    for name, arrays in {
        "good": {"input_layer": np.zeros((3, 784), "f4")},
        "names": {"a": np.zeros((3, 784), "f4"), "b": np.zeros(3)},
        "shape": {"input_layer": np.zeros((3, 5), "f4")},
        "dtype": {"input_layer": np.full((3, 784), 1e300)},
        "none": {"input_layer": np.zeros((0, 784), "f4")},
        "rows": {"dense_1": np.zeros((2, 10), "f4")},
        "words": {"dense_1": np.array(["a", "b", "c"])},
        "scalar": {"dense_1": np.float32(1)},
    }.items():
        np.savez(folder / f"{name}.npz", **arrays)
    lines = []
    for line, _, _ in MISTAKES.values():
        words = line.split()
        words[0] = "good.keras" if words[0] == "good" else words[0]
        lines.append(words if "--to" in words else [*words, "--to", "onnx"])
    before = sorted(folder.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(lines),
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert sorted(folder.rglob("*")) == before
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(MISTAKES, answers, strict=True))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_told_without_a_framework(told, mistake):
    _, code, words = MISTAKES[mistake]
    got, out, err = told[mistake]
    assert (got, out) == (code, ""), err
    assert words in err
    assert err.startswith("convert: ")
    assert err.count("\n") <= 2


def test_every_mistake_is_a_different_one():
    lines = sorted(line for line, _, _ in MISTAKES.values())
    assert all(one != other for one, other in pairwise(lines))
