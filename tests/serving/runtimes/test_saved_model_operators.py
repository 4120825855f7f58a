"""A SavedModel whose graph reaches beyond it is refused; one that does not is served."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

OPERATORS = {
    "read": "ReadFile",
    "write": "WriteFile",
    "glob": "MatchingFiles",
    "python": "EagerPyFunc",
    "numpy": "PyFunc",
    "print": "PrintV2",
    "debug": "DebugIdentityV2",
    "save": "SaveV2",
    "restore": "RestoreV2",
    "branch": "ReadFile",
    "dataset": "TextLineDataset",
    "mapped": "ReadFile",
    "nested": "ReadFile",
}


def run(program, *arguments):
    return subprocess.run(
        [sys.executable, HERE / program, *map(str, arguments)],
        check=True,
        timeout=4 * PATIENCE,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("exported")
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("secret")
    run("export_saved_models.py", made, secret)
    (made / "text_form").mkdir()
    (made / "text_form" / "saved_model.pbtxt").write_text("saved_model_schema_version: 1")
    (made / "damaged").mkdir()
    (made / "damaged" / "saved_model.pb").write_bytes(b"\xff" * 20)
    return made, secret


@pytest.fixture(scope="module")
def reasons(folder):
    return json.loads(run("try_saved_models.py", folder[0]).splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "operator"), OPERATORS.items())
def test_an_operator_that_reaches_beyond_the_model_is_named(reasons, name, operator):
    assert reasons[name].startswith(f"its graph has the operator {operator} (")
    assert "export the model without it" in reasons[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["good", "good_v1", "good_print"])
def test_variables_vocabularies_and_printing_are_a_models_own_affair(reasons, name):
    assert reasons[name] is None


@pytest.mark.slow
def test_nothing_was_read_or_written_on_the_way(reasons, folder):
    assert reasons
    assert folder[1].read_text() == "secret"


@pytest.mark.slow
def test_only_the_form_that_is_checked_is_loaded(reasons):
    assert reasons["text_form"] == "it has no saved_model.pb that can be read"
    assert reasons["damaged"] == "its saved_model.pb is damaged"


@pytest.mark.slow
def test_every_case_was_tried(reasons):
    assert set(reasons) == {*OPERATORS, "good", "good_v1", "good_print", "text_form", "damaged"}
