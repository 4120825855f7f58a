"""docs/errors.md says what the code says."""

import ast
import importlib.util
from pathlib import Path

import pytest

from converter import errors

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("errors_page", ROOT / "docs" / "errors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_is_current(generator):
    current = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert current == generator.page(), "run: python docs/errors.py"


def test_every_kind_of_error_is_on_the_page_with_an_example(generator):
    shown = {entry.kind for entry in generator.entries()}
    assert shown == {kind.__name__ for kind in errors.ConversionError.__subclasses__()}


def test_no_error_is_without_words(generator):
    assert [entry for entry in generator.entries() if not entry.what.strip()] == []


def test_run_time_parts_are_shown_by_their_expression(generator):
    message = ast.parse("f'weight {path} holds {count:,} of {a if b else c}'", mode="eval").body
    assert generator._text(message, {}) == "weight <path> holds <count> of <a> | <c>"
