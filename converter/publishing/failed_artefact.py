"""Keeps an artefact that missed parity for study (``--keep-failed``)."""

from pathlib import Path

from converter.process.environment_errors import reporting_environment_errors
from converter.publishing.atomic_publish import move, moving, sync


def keep_failed(path: Path, folder: Path, name: str) -> None:
    """Move a staged artefact to a folder under this name; it is never published.

    Raises:
        EnvironmentLacksError: The folder cannot be written.
    """
    with reporting_environment_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sync(path)
        with moving():
            move(path, folder / name)
