"""Folders that are removed whatever becomes of who made them, and never while somebody works in them."""

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest
from patience import until

from converter.process import temporary_folder as module
from converter.process.temporary_folder import LOCK, locked_folder, remove_abandoned

PREFIX = "folder-"


@pytest.fixture
def abandon(tmp_path):
    """Make a folder in a process that is killed in the middle of its work."""

    def make():
        child = os.fork()
        if not child:
            with locked_folder(tmp_path, PREFIX) as folder:
                (folder / "deep/deeper").mkdir(parents=True)
                (folder / "deep/file").write_text("half")
                os.kill(os.getpid(), signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        return next(folder for folder in tmp_path.glob(f"{PREFIX}*") if (folder / "deep").exists())

    return make


def test_folder_is_there_for_the_work_and_gone_after_it(tmp_path):
    with pytest.raises(ZeroDivisionError), locked_folder(tmp_path, PREFIX) as folder:  # noqa: PT012  the work fails
        assert folder.parent == tmp_path
        (folder / "deep/deeper").mkdir(parents=True)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_the_next_one_removes_what_a_killed_process_left(tmp_path, abandon):
    left = abandon()
    with locked_folder(tmp_path, PREFIX) as folder:
        assert list(tmp_path.iterdir()) == [folder]
    assert not left.exists()


def test_folder_that_is_worked_in_stays(tmp_path):
    with locked_folder(tmp_path, PREFIX) as folder:
        remove_abandoned(tmp_path, PREFIX)
        assert (folder / LOCK).exists()


def test_folder_stays_while_a_child_works_in_it(tmp_path):
    """The process that made it may be killed first."""
    working, done = os.pipe()
    maker = os.fork()
    if not maker:
        with locked_folder(tmp_path, PREFIX):
            if os.fork():
                os._exit(0)
            os.close(done)
            os.read(working, 1)
            os._exit(0)
    os.close(working)
    os.waitpid(maker, 0)
    remove_abandoned(tmp_path, PREFIX)
    assert len(list(tmp_path.iterdir())) == 1
    os.close(done)

    def removed():  # once the child has ended
        remove_abandoned(tmp_path, PREFIX)
        return not list(tmp_path.iterdir())

    until(removed)


def test_removal_that_was_cut_short_is_finished_by_the_next(tmp_path, abandon, monkeypatch):
    left = abandon()

    def stop(_):
        raise OSError(errno.EIO, "stop")

    with monkeypatch.context() as patched:
        patched.setattr(module.Path, "unlink", stop)
        remove_abandoned(tmp_path, PREFIX)
    assert [entry.name for entry in left.iterdir()] == [LOCK]
    remove_abandoned(tmp_path, PREFIX)
    assert not left.exists()


def test_empty_folder_is_one_whose_process_ended_before_its_lock(tmp_path):
    (tmp_path / f"{PREFIX}empty").mkdir()
    remove_abandoned(tmp_path, PREFIX)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_of_this_make_stays(tmp_path):
    (tmp_path / f"{PREFIX}full").mkdir()
    (tmp_path / f"{PREFIX}full/file").touch()
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / LOCK).touch()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "other")
    before = sorted(tmp_path.rglob("*"))
    remove_abandoned(tmp_path, PREFIX)
    assert sorted(tmp_path.rglob("*")) == before


def test_folder_of_another_user_stays(tmp_path, abandon, monkeypatch):
    left = abandon()
    monkeypatch.setattr(os, "geteuid", lambda: left.stat().st_uid + 1)
    remove_abandoned(tmp_path, PREFIX)
    assert left.exists()


def test_link_in_the_place_of_the_lock_is_not_followed(tmp_path):
    folder = tmp_path / f"{PREFIX}linked"
    folder.mkdir()
    (tmp_path / "elsewhere").touch()
    (folder / LOCK).symlink_to(tmp_path / "elsewhere")
    remove_abandoned(tmp_path, PREFIX)
    assert folder.exists()


def test_where_there_are_no_locks_a_folder_is_made_and_none_is_removed(tmp_path, abandon, monkeypatch):
    left = abandon()

    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with locked_folder(tmp_path, PREFIX) as folder:
        assert folder.exists()
        assert left.exists()
    assert not folder.exists()


def test_processes_that_make_and_remove_at_once_lose_nothing(tmp_path):
    script = (
        "import sys\nfrom pathlib import Path\nfrom converter.process.temporary_folder import locked_folder\n"
        "for number in range(200):\n"
        f"    with locked_folder(Path(sys.argv[1]), {PREFIX!r}) as folder:\n"
        "        (folder / 'file').write_text(str(number))\n"
        "        assert (folder / 'file').read_text() == str(number)\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [(run.communicate()[1], run.returncode) for run in runs] == [("", 0)] * 4
    assert list(tmp_path.iterdir()) == []
