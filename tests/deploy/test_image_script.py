"""deploy/test-image where it cannot work: it says what is missing and leaves nothing behind."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

TOOLS = ["buildah", "debootstrap", "git", "setpriv", "unshare"]
NOBODY = 65534


@pytest.fixture
def place():
    """A folder that another user can read too, which `tmp_path` is not."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        for name in ("bin", "tmp"):
            (Path(made) / name).mkdir()
        yield Path(made)


@pytest.fixture
def run_with(project, place):
    """Run the script with nothing on PATH but the shell's helpers and stand-ins for the tools named."""

    def run(tools, **options):
        for tool in ["bash", "dirname"]:
            (place / "bin" / tool).symlink_to(shutil.which(tool))
        for tool in tools:
            (place / "bin" / tool).write_text("#!/bin/sh\nexit 99\n")
            (place / "bin" / tool).chmod(0o755)
        environment = {"PATH": str(place / "bin"), "TMPDIR": str(place / "tmp")}
        with (project / "deploy" / "test-image").open() as script:
            return subprocess.run(
                [shutil.which("bash"), "-s"],
                stdin=script,
                cwd="/",
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                **options,
            )

    return run


@pytest.mark.parametrize("missing", TOOLS)
def test_a_missing_tool_is_named_with_the_packages_that_bring_it(run_with, missing, place):
    done = run_with([tool for tool in TOOLS if tool != missing])
    assert done.returncode == 6
    assert done.stderr == (
        f"test-image: {missing} is missing: apt-get install buildah debootstrap git util-linux\n"
    )
    assert list((place / "tmp").iterdir()) == []


def test_a_user_who_is_not_root_is_told_so(run_with, place):
    done = run_with(TOOLS, **({"user": NOBODY} if os.geteuid() == 0 else {}))
    assert done.returncode == 6
    assert "must run as root" in done.stderr
    assert list((place / "tmp").iterdir()) == []
