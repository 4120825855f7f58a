import ctypes
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from patience import PATIENCE

from converter.errors import EnvironmentLacksError, UnsafeFileError, UnsupportedError
from converter.process.isolation import Limits, confined
from converter.process.supervisor import Supervisor, supervised_by, supervisor
from converter.process.termination import SIGNALS, Terminated, terminated_by
from converter.publishing.atomic_publish import moving

SOURCE = Path("somewhere/model.keras")


def run(work, **limits):
    return confined(work, SOURCE, Limits(**limits))


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.fixture(autouse=True)
def no_child_is_left():
    before = children()
    yield
    assert children() == before


def test_what_the_work_returns_comes_back_from_another_process():
    assert run(lambda: {"pid": os.getpid(), "more": [1, None]})["pid"] != os.getpid()


def test_a_long_answer_comes_back_whole():
    assert len(run(lambda: "x" * 5_000_000)) == 5_000_000


def test_a_designed_error_comes_back_as_it_was():
    def work():
        raise UnsupportedError("is odd", where="layer 'a'", hint="Do this.")

    with pytest.raises(UnsupportedError) as caught:
        run(work)
    assert str(caught.value) == "layer 'a': is odd\nDo this."


def test_an_unexpected_error_keeps_its_name():
    with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero"):
        run(lambda: 1 / 0)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE])
def test_a_crash_is_one_clear_error(number):
    with pytest.raises(UnsafeFileError) as caught:
        run(lambda: os.kill(os.getpid(), number))
    assert str(caught.value).startswith(f"model.keras: crashed a native library ({number.name})\n")


def test_a_process_that_the_system_ends_is_a_lack_of_memory():
    with pytest.raises(EnvironmentLacksError, match="SIGKILL"):
        run(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_a_process_that_says_nothing_is_an_error():
    with pytest.raises(UnsafeFileError, match="without an answer"):
        run(lambda: os._exit(0))


def test_an_endless_loop_in_a_native_library_is_ended():
    begun = time.monotonic()
    with pytest.raises(EnvironmentLacksError, match=r"took longer than 0\.3 s\nGive it more with --timeout"):
        run(lambda: ctypes.PyDLL(None).sleep(2 * PATIENCE), seconds=0.3)  # holds the interpreter's lock
    assert time.monotonic() - begun < PATIENCE


def test_memory_beyond_the_budget_is_ended():
    def work():
        held = bytearray(os.urandom(1)) * (400 * 2**20)
        time.sleep(2 * PATIENCE)
        return len(held)

    begun = time.monotonic()
    with pytest.raises(EnvironmentLacksError, match=r"took more than 300 MiB of memory"):
        run(work, memory=300 * 2**20)
    assert time.monotonic() - begun < PATIENCE


def test_work_within_its_budget_is_not_disturbed():
    assert run(lambda: 7, memory=2**40, seconds=PATIENCE) == 7


def test_work_that_is_ended_has_time_to_clean_up(tmp_path):
    def work():
        staged = tmp_path / "staged"
        staged.mkdir()
        try:
            time.sleep(60)
        finally:
            staged.rmdir()

    with pytest.raises(EnvironmentLacksError):
        run(work, seconds=0.5)
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_are_gone_even_after_a_crash(tmp_path):
    note = tmp_path / "note"

    def work():
        note.write_text(tempfile.mkdtemp())
        os.kill(os.getpid(), signal.SIGSEGV)

    with pytest.raises(UnsafeFileError):
        run(work)
    assert note.read_text()
    assert not Path(note.read_text()).exists()


def test_a_child_that_is_deaf_to_the_request_to_end_is_ended():
    def deaf():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)

    with pytest.raises(EnvironmentLacksError):
        confined(deaf, SOURCE, Limits(seconds=0.3))


class Heard(Supervisor):
    """Keeps what it hears."""

    def __init__(self):
        self.all = []

    def phase(self, text):
        self.all.append(("phase", text))

    def printing(self):
        self.all.append(("printing", ""))

    def moving(self):
        self.all.append(("moving", ""))

    def moved(self, place):
        self.all.append(("moved", place))


def supervised_run(work, **limits):
    heard = Heard()
    try:
        with supervised_by(heard):
            return heard, run(work, **limits)
    except BaseException as error:
        error.heard = heard.all
        raise


def test_who_oversees_the_parent_hears_what_is_done_and_is_asked_in_order():
    def work():
        supervisor().phase("one")
        with moving() as places:
            places.append(Path("place"))
        supervisor().printing()
        supervisor().phase("ünd\n")

    heard, _ = supervised_run(work)
    assert heard.all == [
        ("phase", "one"),
        ("moving", ""),
        ("moved", "place"),
        ("printing", ""),
        ("phase", "ünd\n"),
    ]


def test_move_that_fails_is_over_all_the_same():
    def work():
        with pytest.raises(ZeroDivisionError), moving():
            raise ZeroDivisionError
        with moving() as places:
            places.append(Path("second"))

    heard, _ = supervised_run(work)
    assert [place for kind, place in heard.all if kind == "moved"] == ["", "second"]


@pytest.mark.parametrize("number", SIGNALS)
def test_parent_that_is_told_to_end_lets_moves_be_finished_and_allows_no_more(number):
    parent = os.getpid()

    def work():
        with moving() as places:
            os.kill(parent, number)
            time.sleep(0.3)
            places.append(Path("first"))
        with moving() as places:
            places.append(Path("second"))

    with terminated_by(*SIGNALS), pytest.raises(Terminated) as caught:
        supervised_run(work)
    assert caught.value.number == number
    assert caught.value.heard == [("moving", ""), ("moved", "first")]


def test_parent_that_is_told_to_end_ends_a_child_in_native_code():
    parent = os.getpid()

    def work():
        os.kill(parent, signal.SIGTERM)
        return sum(range(10**12))  # one call that runs no Python and looks at no signal

    begun = time.monotonic()
    with terminated_by(*SIGNALS), pytest.raises(Terminated):
        run(work)
    assert time.monotonic() - begun < 50


def test_a_group_that_is_told_to_end_loses_no_move(tmp_path):
    """The child hears of it at the same time, in the middle of a move."""

    def work():
        with moving() as places:
            for who in (os.getppid(), os.getpid()):
                os.kill(who, signal.SIGTERM)
            time.sleep(0.3)
            (tmp_path / "moved").touch()
            places.append(tmp_path / "moved")
        (tmp_path / "after").touch()

    with terminated_by(*SIGNALS), pytest.raises(Terminated) as caught:
        supervised_run(work)
    assert caught.value.heard == [("moving", ""), ("moved", str(tmp_path / "moved"))]
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]


@pytest.mark.parametrize(
    "line",
    [
        b"[]\n",
        b'[[], ""]\n',
        b'["waiting", ""]\n',
        b'["moved", 1]\n',
        b"1\n",
        b"\xff\n",
        b'["a", "b", "c"]\n',
    ],
)
def test_child_that_says_what_it_should_not_is_ended(line):
    def work():
        os.write(supervisor()._messages, line)
        time.sleep(60)

    with pytest.raises(UnsafeFileError, match="sent a message that is not allowed"):
        supervised_run(work, seconds=30)
