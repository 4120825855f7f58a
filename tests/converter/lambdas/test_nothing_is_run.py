import ast
import subprocess
import sys
from pathlib import Path

import pytest

import converter.lambdas

SOURCES = sorted(Path(converter.lambdas.__file__).parent.glob("*.py"))
FORBIDDEN_MODULES = {
    "marshal",
    "pickle",
    "types",
    "opcode",
    "dis",
    "importlib",
    "builtins",
    "ctypes",
    "shelve",
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "getattr", "globals", "vars", "open"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_package_imports_only_itself_and_harmless_parts_of_the_standard_library(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    roots = {name.partition(".")[0] for name in imported}
    assert not roots & FORBIDDEN_MODULES
    assert {name for name in imported if name.startswith("converter")} <= {
        f"converter.lambdas.{source.stem}" for source in SOURCES
    }
    assert roots <= sys.stdlib_module_names | {"converter"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_package_calls_nothing_that_could_run_or_look_up_what_a_file_names(path):
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & FORBIDDEN_CALLS


def test_importing_the_package_imports_little_else():
    # Apart from dataclasses, enum and typing, which everything here uses anyway.
    listed = (
        "import dataclasses, enum, typing, sys; before = set(sys.modules);"
        "import converter.lambdas; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", listed], check=True, capture_output=True, text=True)
    others = {name for name in done.stdout.split() if not name.startswith("converter.lambdas")}
    assert others <= {"converter", "binascii", "math", "struct", "_struct"}
