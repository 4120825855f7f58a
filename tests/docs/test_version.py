"""Files that repeat the version agree with the one that code and packaging read."""

import re

import yaml

from plainserve import __version__


def test_the_newest_section_of_the_changelog_is_of_this_version(root):
    sections = re.findall(r"^## (.+)", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(section for section in sections if "Unreleased" not in section) == __version__


def test_a_citation_names_this_version_and_licence(root):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (__version__, "Apache-2.0")
