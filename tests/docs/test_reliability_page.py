"""docs/reliability.md and docs/security.md promise nothing that no test shows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("reliability.md", "security.md")
SHOWN = "shown by"
"""The heading of the column that names tests."""


def tables(text):
    """The tables of a page that name tests: for each row its cells."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        if SHOWN in rows[0]:
            yield rows[0].index(SHOWN), rows[2:]


def named(cell):
    """The tests that a cell names, as files and functions."""
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cell)


def functions(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def unshown(text):
    """The rows that name no test, and the tests that do not exist."""
    missing = []
    for column, rows in tables(text):
        for row in rows:
            found = named(row[column])
            if not found:
                missing.append(row[0])
            for file, test in found:
                path = ROOT / file
                if not (test.startswith("test_") and path.is_file() and test in functions(path)):
                    missing.append(f"{file}::{test}")
    return missing


@pytest.mark.parametrize("page", PAGES)
def test_every_row_names_a_test_that_exists(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert sum(len(rows) for _, rows in tables(text)) >= 5
    assert unshown(text) == []


@pytest.mark.parametrize(
    ("cell", "missing"),
    [
        ("", "a fault"),
        (
            "`tests/docs/test_reliability_page.py::test_nothing`",
            "tests/docs/test_reliability_page.py::test_nothing",
        ),
        ("`tests/docs/test_gone.py::test_x`", "tests/docs/test_gone.py::test_x"),
        ("`tests/docs/test_reliability_page.py::named`", "tests/docs/test_reliability_page.py::named"),
    ],
)
def test_a_row_without_a_test_is_found(cell, missing):
    assert unshown(f"| fault | shown by |\n|---|---|\n| a fault | {cell} |\n") == [missing]
