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
    "dump": "DumpTensor",
    "calibrate": "CalibrationStatisticsSaver",
    "mapped_memory": "ImmutableConst",
    "graph_in_a_tensor": "DatasetFromGraph",
    "descriptors": "DecodeProtoV2",
    "end": "Abort",
    "v1_saves_at_load": "SaveV2",
}

TABLES = (
    "table",
    "table_copied",
    "table_joined",
    "table_called",
    "table_branched",
    "table_requested",
    "not_an_asset",
    "v1_table_in_answers",
    "v1_table_of_any_file",
    "v1_table_of_another_output",
)
"""Models with a table that is filled from a file which is not surely one of their own assets."""

GOOD = (
    "good",
    "good_v1",
    "good_v1_table",
    "good_print",
    "good_text",
    "good_text_file",
    "good_image",
    "good_categories",
    "good_parse",
    "good_decode",
    "good_pipeline",
    "good_sentences",
)

OTHERS = ("text_form", "damaged", "asset_elsewhere", "twice")


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
@pytest.mark.parametrize("name", GOOD)
def test_variables_vocabularies_preprocessing_and_printing_are_a_models_own_affair(reasons, name):
    assert reasons[name] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_filled_from_nothing_but_an_asset_of_the_model(reasons, name):
    assert reasons[name].startswith("its graph has the operator InitializeTableFromTextFileV2 (")
    assert "whose file is not one of the model's own assets" in reasons[name]


@pytest.mark.slow
def test_an_asset_lies_in_the_models_folder_for_them(reasons):
    assert reasons["asset_elsewhere"].startswith(
        "its asset '../../../secret' does not lie in its folder of assets"
    )


@pytest.mark.slow
def test_names_that_do_not_tell_functions_apart_are_refused(reasons):
    assert "2 times in one place" in reasons["twice"]


@pytest.mark.slow
def test_nothing_was_read_or_written_on_the_way(reasons, folder):
    assert reasons
    assert folder[1].read_text() == "secret"
    assert [each.name for each in folder[1].parent.iterdir()] == ["secret"]
    assert {each.name for each in folder[0].iterdir()} == {*OPERATORS, *TABLES, *GOOD, *OTHERS}


@pytest.mark.slow
def test_only_the_form_that_is_checked_is_loaded(reasons):
    assert reasons["text_form"] == "it has no saved_model.pb that can be read"
    assert reasons["damaged"] == "its saved_model.pb is damaged"


@pytest.mark.slow
def test_every_case_was_tried(reasons):
    assert set(reasons) == {*OPERATORS, *TABLES, *GOOD, *OTHERS}
