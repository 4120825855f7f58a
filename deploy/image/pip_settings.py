"""Passes this machine's pip settings to an image build, without leaving them in the image.

Writes the current settings to one ``pip.conf`` and prints build options, one per line. They pass that file to the
build as a secret and mount the files and folders that it names: certificates, folders of wheels, indexes on disk.
Prints nothing if pip has no settings.

Usage: ``python pip_settings.py FILE``
"""

import ast
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

ENVIRONMENT = ":env:"
EVERY_COMMAND = "global"


def main(arguments: list[str]) -> None:
    """Write ``arguments[0]`` and print the build options that go with it."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings = parse(listing)
    if not settings.sections():
        return
    path = Path(arguments[0])
    with path.open("w") as file:
        settings.write(file)
    path.chmod(0o600)  # an index address may hold a password
    options = [f"--secret=id=pip.conf,src={path}"]
    options += [f"--volume={place}:{place}:ro" for place in local_places(settings)]
    sys.stdout.writelines(f"{option}\n" for option in options)


def parse(listing: str) -> RawConfigParser:
    """Read what ``pip config list`` prints: lines of ``section.name='value'``.

    Settings from environment variables win over those of files, as they do in pip.
    """
    found = [line.partition("=") for line in listing.splitlines()]
    settings = RawConfigParser()
    for key, _, value in sorted(found, key=lambda item: item[0].startswith(ENVIRONMENT)):
        section, _, name = key.partition(".")
        if section == ENVIRONMENT:
            for other in settings.sections():
                settings.remove_option(other, name)
            section = EVERY_COMMAND
        if not settings.has_section(section):
            settings.add_section(section)
        settings.set(section, name, ast.literal_eval(value))
    return settings


def local_places(settings: RawConfigParser) -> list[Path]:
    """The files and folders of this machine that the settings name, each once, in order of name.

    An index on disk is given as the address of its ``simple`` folder and links to files beside that folder:
    the folder above is mounted.
    """
    places = set()
    for section in settings.sections():
        for word in " ".join(value for _, value in settings.items(section)).split():
            address = urlsplit(word)
            if address.scheme == "file":
                places.add(Path(url2pathname(address.path)).parent)
            elif word.startswith("/") and Path(word).exists():
                places.add(Path(word))
    return sorted(places)


if __name__ == "__main__":
    main(sys.argv[1:])
