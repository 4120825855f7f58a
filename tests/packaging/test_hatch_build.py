"""The build of the native front end: where it can be built, where not, and what is said then."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SOURCE = """
#include <Python.h>
#include <nghttp2/nghttp2.h>

static PyObject* version(PyObject*, PyObject*) { return PyUnicode_FromString(nghttp2_version(0)->version_str); }
static PyMethodDef methods[] = {{"version", version, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_frontend", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr,
};
PyMODINIT_FUNC PyInit__frontend() { return PyModule_Create(&module); }
"""

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "small"
version = "1"
requires-python = ">=3.11"
[tool.hatch.build.targets.wheel]
packages = ["serving"]
exclude = ["serving/transport/native/src", "*.so"]
[tool.hatch.build.targets.wheel.hooks.custom]
"""

COMPILED = pytest.mark.skipif(
    shutil.which("g++") is None, reason="g++ is missing: apt-get install g++ libnghttp2-dev"
)


class Tree:
    """A project with the hook and a small module."""

    def __init__(self, root):
        self.root = root
        self.native = root / "serving" / "transport" / "native"
        self.module = self.native / "_frontend.abi3.so"
        (self.native / "src").mkdir(parents=True)
        (self.native / "__init__.py").touch()
        (self.native / "src" / "module.cc").write_text(SOURCE)
        (root / "pyproject.toml").write_text(PYPROJECT)
        shutil.copy(ROOT / "hatch_build.py", root)

    def run(self, *command, **environment):
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in {"PLAINSERVE_NATIVE", "CXX", "CXXFLAGS"}
        }
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.root,
            env={**inherited, **environment},
            check=False,
            capture_output=True,
            text=True,
        )

    def build(self, **environment):
        """Build beside the sources, as make native does."""
        return self.run("hatch_build.py", **environment)

    def wheel(self, **environment):
        done = self.run("-m", "build", "--no-isolation", "--wheel", **environment)
        assert done.returncode == 0, done.stderr
        (wheel,) = (self.root / "dist").iterdir()
        return wheel, done.stdout + done.stderr


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture
def compiler(tmp_path):
    """Makes a compiler that fails with such a text."""

    def make(text):
        program = tmp_path / "compiler"
        lines = f"In file included\n{text}\ncollect2: error: ld returned 1 exit status"
        program.write_text(f"#!/bin/sh\necho '{lines}' >&2\nexit 1\n")
        program.chmod(0o755)
        return str(program)

    return make


MISSING = [
    (
        "probe.cpp:1:10: fatal error: Python.h: No such file or directory",
        "Python.h was not found: apt-get install python3-dev",
    ),
    (
        "probe.cpp:2:10: fatal error: nghttp2/nghttp2.h: No such file or directory",
        "nghttp2 was not found: apt-get install libnghttp2-dev",
    ),
    ("/usr/bin/ld: cannot find -lnghttp2", "nghttp2 was not found: apt-get install libnghttp2-dev"),
    ("g++: error: unrecognized option", "g++: error: unrecognized option"),
]


@pytest.mark.parametrize(("said", "reason"), MISSING)
def test_what_is_missing_is_one_line_and_no_failure(tree, compiler, said, reason):
    done = tree.build(CXX=compiler(said))
    assert done.returncode == 0
    assert done.stderr == (
        f"warning: the native front end is not built and grpcio serves in its place: {reason}\n"
    )
    assert not tree.module.exists()


def test_no_compiler_is_named_with_what_to_install(tree):
    done = tree.build(CXX="no-such-compiler")
    assert done.returncode == 0
    assert done.stderr.endswith("no C++ compiler (no-such-compiler) was found: apt-get install g++\n")


def test_where_it_is_required_the_build_fails(tree):
    done = tree.build(CXX="no-such-compiler", PLAINSERVE_NATIVE="require")
    assert done.returncode == 1
    assert "the native front end cannot be built: no C++ compiler" in done.stderr


def test_off_builds_nothing_and_leaves_no_module_of_earlier_sources(tree):
    tree.module.touch()
    done = tree.build(PLAINSERVE_NATIVE="off", CXX="no-such-compiler")
    assert (done.returncode, done.stderr) == (0, "")
    assert not tree.module.exists()


def test_a_build_that_fails_leaves_no_module_of_earlier_sources(tree):
    tree.module.touch()
    tree.build(CXX="no-such-compiler")
    assert not tree.module.exists()


def test_another_value_is_an_error_that_lists_the_values(tree):
    done = tree.build(PLAINSERVE_NATIVE="yes")
    assert done.returncode == 1
    assert done.stderr == "PLAINSERVE_NATIVE is 'yes'; it can be auto, require, off\n"


@pytest.mark.slow
def test_a_wheel_without_a_compiler_is_pure(tree):
    wheel, said = tree.wheel(CXX="no-such-compiler")
    assert wheel.name == "small-1-py3-none-any.whl"
    assert "warning: the native front end is not built" in said


@COMPILED
@pytest.mark.slow
def test_the_module_is_built_beside_its_sources_and_works(tree):
    done = tree.build(PLAINSERVE_NATIVE="require")
    assert (done.returncode, done.stderr) == (0, "")
    asked = tree.run(
        "-c",
        f"import sys; sys.path.insert(0, {str(tree.native)!r}); import _frontend; print(_frontend.version())",
    )
    assert asked.stdout.startswith("1."), asked.stderr
    assert sorted(each.name for each in tree.native.iterdir() if each.name != "__pycache__") == [
        "__init__.py",
        "_frontend.abi3.so",
        "src",
    ]


@COMPILED
@pytest.mark.slow
def test_a_source_that_does_not_compile_is_named_with_its_first_error(tree):
    (tree.native / "src" / "wrong.cc").write_text("int wrong() { return missing; }\n")
    done = tree.build(PLAINSERVE_NATIVE="require")
    assert done.returncode == 1
    assert "wrong.cc:1:22: error: " in done.stderr
    assert "missing" in done.stderr


@COMPILED
@pytest.mark.slow
def test_the_wheel_is_for_every_python_from_3_11_on_and_has_no_sources(tree):
    # What lies in the tree is not what goes into the wheel.
    tree.module.write_text("of another build")
    wheel, _ = tree.wheel(PLAINSERVE_NATIVE="require")
    assert wheel.name.startswith("small-1-cp311-abi3-linux_")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("serving/")]
        assert names == ["serving/transport/native/__init__.py", "serving/transport/native/_frontend.abi3.so"]
        assert archive.read("serving/transport/native/_frontend.abi3.so").startswith(b"\x7fELF")
