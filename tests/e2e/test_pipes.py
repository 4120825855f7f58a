"""Output into a pipe whose reader leaves early, as `head` does."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("arguments", [["converter", "{model}", "--json"], ["serving", "--help"]])
def test_reader_that_leaves_early_is_no_error(models, arguments):
    command = [part.format(model=models / "digits_cnn.keras") for part in arguments]
    done = subprocess.run(  # noqa: S602  the words are our own
        f"{sys.executable} -m {' '.join(command)} | true",
        shell=True,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
