"""What containers are made from: the Dockerfile as instructions by stage, the compose file as data."""

import importlib.util
import json
import re
import shlex
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]


@dataclass
class Stage:
    """One stage of a Dockerfile: what it stands on and its own instructions, in order."""

    name: str
    parent: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, keyword):
        return [value for word, value in self.instructions if word == keyword]


class Dockerfile:
    """The stages by name, and what a stage's image is configured with, inherited settings included."""

    def __init__(self, text):
        joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
        self.arguments = {}
        self.stages = {}
        for line in filter(None, map(str.strip, joined.splitlines())):
            keyword, _, value = line.partition(" ")
            if keyword == "FROM":
                parent, _, name = value.partition(" AS ")
                stage = self.stages[name] = Stage(name, parent)
            elif keyword == "ARG" and not self.stages:
                name, _, default = value.partition("=")
                self.arguments[name] = default
            else:
                stage.instructions.append((keyword, value.strip()))

    def lineage(self, target):
        """The stage and those it stands on, nearest first."""
        while target in self.stages:
            yield self.stages[target]
            target = self.stages[target].parent

    def setting(self, target, keyword):
        """The value of an instruction of which the last one counts; None if there is none."""
        return next(
            (stage.values(keyword)[-1] for stage in self.lineage(target) if stage.values(keyword)), None
        )

    def command(self, target, keyword):
        return json.loads(self.setting(target, keyword) or "[]")

    def folders(self, target):
        """Owner by path of the folders that are made empty in the image, for volumes."""
        found = {}
        for stage in self.lineage(target):
            for words in map(shlex.split, stage.values("COPY")):
                if words[-2] == "/empty":
                    found[words[-1]] = words[1].removeprefix("--chown=")
        return found


@pytest.fixture(scope="session")
def project():
    return PROJECT


@pytest.fixture(scope="session")
def dockerfile():
    return Dockerfile((PROJECT / "Dockerfile").read_text())


@pytest.fixture(scope="session")
def compose():
    return yaml.safe_load((PROJECT / "docker-compose.yml").read_text())


@pytest.fixture(scope="session")
def scripts():
    """Names of the commands that the package installs."""
    return set(tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"])


@pytest.fixture(scope="session")
def load():
    """Import a script of deploy/image/, which is no package, by its name."""

    def load_script(name):
        path = PROJECT / "deploy" / "image" / f"{name}.py"
        specification = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module

    return load_script
