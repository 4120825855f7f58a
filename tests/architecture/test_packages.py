"""Packages import each other in one direction only, and modules never in a circle."""

import ast
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def modules(package):
    """Every module of a package by its dotted name."""
    files = (ROOT / package).rglob("*.py")
    return {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in files}


def imports(package):
    """What each module imports from its own package; the package itself, which has the version, is left out."""
    known = modules(package)
    found = defaultdict(set)
    for name, file in known.items():
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                below = [f"{node.module}.{alias.name}" for alias in node.names]
                named = [module if module in known else node.module for module in below]
            else:
                continue
            found[name] |= set(named) & (known.keys() - {name, package})
    del found[package]
    return found


def folder(module):
    """``converter.parity`` for what is below it, and the module itself where it is in no folder."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("package", ["converter"])
def test_modules_do_not_import_each_other_in_a_circle(package):
    TopologicalSorter(imports(package)).prepare()


@pytest.mark.parametrize("package", ["converter"])
def test_folders_do_not_import_each_other_in_a_circle(package):
    arrows = defaultdict(set)
    for module, named in imports(package).items():
        arrows[folder(module)] |= {folder(each) for each in named} - {folder(module)}
    assert len(arrows) > 10
    TopologicalSorter(arrows).prepare()
