"""The rule by which ``pytest --quick`` chooses files, and the guard that holds it."""

import sys

import pytest
from tensorflow_imports import ImportGuard, needs_tensorflow


@pytest.fixture
def needs(tmp_path):
    """Whether a file with this source needs TensorFlow, beside a package with a heavy and a light module."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "heavy.py").write_text("import package.light\nfrom keras import layers\n")
    (package / "light.py").write_text("import json\nimport package.light\n")

    def run(source):
        file = tmp_path / "test_some.py"
        file.write_text(source)
        return needs_tensorflow(file, (tmp_path,))

    return run


@pytest.mark.parametrize(
    "source",
    [
        "import tensorflow as tf",
        "import keras.layers",
        "from tf2onnx import convert",
        "import package.light, package.heavy",
        "from package import heavy",
        "from package.heavy import layers",
        "try:\n    import keras\nexcept ImportError:\n    keras = None",
        "class Test:\n    import keras",
    ],
)
def test_what_imports_tensorflow_is_found(needs, source):
    assert needs(source)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import package",
        "from package import light",
        "import tensorflow_like",
        "def test_it():\n    import keras",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import keras",
    ],
)
def test_what_does_not_is_not(needs, source):
    assert not needs(source)


def test_the_guard_finds_a_framework_and_refuses_to_import_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "tf2onnx", raising=False)
    monkeypatch.setattr(sys, "meta_path", [ImportGuard(), *sys.meta_path])
    with pytest.raises(ImportError, match=r"^tf2onnx is imported in a quick run: mark the test"):
        __import__("tf2onnx")


def test_the_guard_leaves_all_else_alone():
    assert ImportGuard().find_spec("json") is None
    assert ImportGuard().find_spec("package.keras") is None
