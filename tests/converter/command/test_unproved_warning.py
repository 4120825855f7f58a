"""The warning says what to type, and what it says is right."""

import ast

import numpy as np
import pytest

from converter.activations import PSS
from converter.basis import Basis
from converter.command.unproved_warning import recording_code, unproved_warning, without_others
from converter.description import Finding

ASSUMED = Finding("pss", PSS(3.0), "", Basis.ASSUMED)


def test_one_sentence_names_layer_formula_and_ground():
    stated = Finding("other", PSS(2.0), "", Basis.STATED)
    what = unproved_warning([ASSUMED, stated], ["x"], ["y"], ["m.keras"]).what
    assert what == (
        "not shown to be your model: 'pss' computes sigmoid(3 x), assumed from a name; "
        "'other' computes sigmoid(2 x), stated with --activation"
    )
    assert not {"proved", "passed"} & set(what.split())


def test_many_findings_are_counted():
    assert unproved_warning([ASSUMED] * 9, ["x"], ["y"], []).what.endswith("; and 6 more")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["m.keras", "--to", "onnx"], "convert m.keras --to onnx --samples proof.npz"),
        (["my model.keras", "--to=onnx"], "convert 'my model.keras' --to=onnx --samples proof.npz"),
        (["m.keras", "--samples", "x.npz", "--to", "onnx"], "convert m.keras --to onnx --samples proof.npz"),
        (["m.keras", "--samples=x.npz", "--expected=y.npz"], "convert m.keras --samples proof.npz"),
        (["m.keras", "--no-parity"], "convert m.keras --samples proof.npz"),
    ],
)
def test_the_command_is_the_one_that_was_typed_with_the_proof(typed, told):
    assert unproved_warning([ASSUMED], ["x"], ["y"], typed).command == told


def test_of_several_models_the_command_names_one(tmp_path):
    first, second = tmp_path / "a.keras", tmp_path / "b.keras"
    words = [str(first), str(second), "--to", "onnx"]
    assert without_others(words, first, [first, second]) == [str(first), "--to", "onnx"]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [(["x"], ["y"]), (["a b", "class"], ["y"]), (["x"], ["one", "t/wo"]), (["x"], ["x"]), (["file"], ["y"])],
)
def test_the_lines_of_numpy_write_what_samples_reads(inputs, outputs, tmp_path, monkeypatch):
    """Run as told, with a stand-in for the model: the file holds every input and answer under its name."""

    class keras:  # noqa: N801  as it is called in the lines
        class tree:  # noqa: N801
            flatten = staticmethod(list)

    def model(given):
        assert len(given) == (len(inputs) if len(inputs) > 1 else 3)
        answers = [np.full((3, 2), number) for number in range(len(outputs))]
        return answers[0] if len(answers) == 1 else answers

    rows = {name: np.ones((3, 4)) for name in inputs}
    lines = recording_code(inputs, outputs)
    assert len(lines) == 3
    code = "\n".join(lines).replace("{" + ", ".join(f"{name!r}: ..." for name in inputs) + "}", "rows")
    ast.parse(code)
    if "file" in inputs:
        return  # np.savez takes no such name; converter.record does
    monkeypatch.chdir(tmp_path)
    exec(code, {"np": np, "model": model, "keras": keras, "rows": rows})  # noqa: S102  what users are told to run
    with np.load("proof.npz") as written:
        assert {name.removeprefix("output:") for name in written} == {*inputs, *outputs}
        assert len(written.files) == len(inputs) + len(outputs)
