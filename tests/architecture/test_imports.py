"""Which package may import which other, and which frameworks; test_rooms.py has the arrows inside the programs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAMEWORKS = {"tensorflow", "keras", "tf2onnx", "tf_keras"}

# A folder and what nothing below it may import; the files named after it are exempt.
FORBIDDEN = [
    ("deploy/ray", {"converter", "models", "tests", "benchmarks"}, ()),
    (
        "deploy/ray",
        {"ray"},
        ("deploy/ray/plainserve_ray/application.py", "deploy/ray/plainserve_ray/replica.py"),
    ),
    ("serving", {"ray", "plainserve_ray"}, ()),
    ("protos", {"converter", "serving", "models", "tests"}, ()),
    ("converter", {"serving", "protos", "models", "tests", "grpc"}, ()),
    ("serving", {"converter", "models", "tests", "keras", "tf2onnx"}, ()),
    ("serving", {"tensorflow"}, ("serving/runtimes/saved_model.py",)),
    ("models", {"converter", "serving", "protos"}, ()),
    ("converter/archive", FRAMEWORKS | {"pickle", "marshal", "shelve", "dill"}, ()),
    ("converter/lambdas", FRAMEWORKS | {"pickle", "marshal", "numpy"}, ()),
    ("converter/activations", FRAMEWORKS, ()),
    ("converter/description", FRAMEWORKS, ()),
    ("converter/folding", FRAMEWORKS, ()),
]


def python_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*.py") if "__pycache__" not in file.parts)


def imported(file: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize(
    ("folder", "forbidden", "exempt"),
    FORBIDDEN,
    ids=lambda value: str(value if isinstance(value, str) else sorted(value))[:40],
)
def test_arrows_point_one_way(folder, forbidden, exempt):
    files = python_files(ROOT / folder)
    assert files, f"{folder} holds no Python: the rule has lost its object"
    wrong = [
        f"{file.relative_to(ROOT)} imports {module}"
        for file in files
        if file.relative_to(ROOT).as_posix() not in exempt
        for module in imported(file)
        for package in forbidden
        if is_below(module, package)
    ]
    assert wrong == []


def test_tensorflow_is_imported_by_the_server_only_inside_functions():
    file = ROOT / "serving/runtimes/saved_model.py"
    top = [
        node for node in ast.parse(file.read_bytes()).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in top if isinstance(node, ast.ImportFrom) and node.module]
    assert not [name for name in names if is_below(name, "tensorflow")]


def test_the_rule_sees_what_it_is_to_see(tmp_path):
    file = tmp_path / "bad.py"
    file.write_text("def f():\n    import tensorflow.lite as t\n    from converter.graph import Graph\n")
    assert list(imported(file)) == ["tensorflow.lite", "converter.graph"]
