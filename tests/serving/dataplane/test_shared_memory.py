import errno
import os
from pathlib import Path

import numpy as np
import pytest

from serving.dataplane.shared_memory import LONGEST_NAME, MOST, SharedMemory
from serving.errors import (
    InternalError,
    InvalidInputError,
    ModelNotFoundError,
    NoRoomError,
    PermissionDeniedError,
    TooLargeError,
)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "shm"
    made.mkdir()
    (made / "block").write_bytes(bytes(range(32)))
    return made


@pytest.fixture
def memory(folder):
    made = SharedMemory(allowed=True, folder=folder)
    yield made
    made.close()


def test_what_a_client_wrote_is_read_and_what_is_written_a_client_reads(memory, folder):
    memory.register("r", "/block", 8, 16)
    assert memory.read("r", 4, 4) == bytes([12, 13, 14, 15])
    memory.write("r", 0, 4, b"abcd")
    assert (folder / "block").read_bytes()[6:14] == bytes([6, 7, *b"abcd", 12, 13])


@pytest.mark.parametrize(("offset", "size"), [(0, 17), (16, 1), (-1, 4), (4, -1), (2**63, 1)])
def test_nothing_out_of_the_region_is_read_or_written(memory, offset, size):
    memory.register("r", "block", 8, 16)
    with pytest.raises(InvalidInputError, match="not within the region 'r' of 16 bytes"):
        memory.read("r", offset, size)
    with pytest.raises(InvalidInputError, match="not within the region"):
        memory.write("r", offset, size, b"")


def test_an_output_without_enough_room_is_not_written(memory, folder):
    memory.register("r", "block", 0, 32)
    before = (folder / "block").read_bytes()
    with pytest.raises(InvalidInputError, match="takes 5 bytes, and 4 of region 'r' are for it"):
        memory.write("r", 0, 4, b"abcde")
    assert (folder / "block").read_bytes() == before


def test_a_file_that_was_shortened_is_an_error_and_no_crash(memory, folder):
    memory.register("r", "block", 0, 32)
    os.truncate(folder / "block", 8)
    with pytest.raises(InvalidInputError, match="was shortened"):
        memory.read("r", 0, 32)
    with pytest.raises(InvalidInputError, match="was shortened"):
        memory.write("r", 0, 32, bytes(32))
    assert (folder / "block").stat().st_size == 8


def test_a_file_that_is_shortened_while_it_is_read_is_an_error(memory, folder, monkeypatch):
    def shorten(*arguments):
        count = real(arguments[0], [arguments[1][0][:4]], arguments[2])
        os.truncate(folder / "block", 4)
        return count

    real = os.preadv
    monkeypatch.setattr(os, "preadv", shorten)
    memory.register("r", "block", 0, 32)
    with pytest.raises(InvalidInputError, match="was shortened"):
        memory.read("r", 0, 32)


def test_what_the_system_reads_and_writes_in_pieces_arrives_whole(memory, folder, monkeypatch):
    reading, writing = os.preadv, os.pwrite
    monkeypatch.setattr(os, "preadv", lambda file, into, at: reading(file, [into[0][:3]], at))
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: writing(file, bytes(data[:5]), at))
    memory.register("r", "block", 8, 16)
    assert memory.read("r", 1, 15) == bytes(range(9, 24))
    memory.write("r", 0, 16, bytes(range(100, 116)))
    assert (folder / "block").read_bytes() == bytes([*range(8), *range(100, 116), *range(24, 32)])


def test_arrays_of_any_shape_are_written(memory, folder):
    memory.register("r", "block", 0, 32)
    memory.write("r", 0, 32, np.arange(4, dtype=np.float32).reshape(2, 2).data)
    assert (folder / "block").read_bytes()[:16] == np.arange(4, dtype=np.float32).tobytes()
    memory.write("r", 0, 32, np.zeros((0, 3), np.float32).data)
    memory.write("r", 0, 32, np.array(1, np.uint8).data)
    assert (folder / "block").read_bytes()[:1] == b"\1"


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, NoRoomError), (errno.EDQUOT, NoRoomError), (errno.EIO, InternalError)],
)
def test_what_cannot_be_written_or_read_is_an_error(memory, monkeypatch, number, error):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    memory.register("r", "block", 0, 32)
    monkeypatch.setattr(os, "pwrite", fail)
    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(error):
        memory.write("r", 0, 32, bytes(32))
    with pytest.raises(InternalError):
        memory.read("r", 0, 32)


def test_all_tensors_of_a_request_together_are_bounded(folder):
    memory = SharedMemory(allowed=True, most=16, folder=folder)
    memory.check_size(16)
    with pytest.raises(TooLargeError, match=r"take 17 bytes, and 16 is the most.*larger --max-message-size"):
        memory.check_size(17)


def test_a_region_that_is_forgotten_while_it_is_used_keeps_its_file_until_then(memory, folder):
    before = open_files()
    memory.register("r", "block", 0, 32)
    used = memory.within("r", 0, 32)
    memory.unregister("r")
    assert os.fstat(used.file).st_ino == (folder / "block").stat().st_ino
    del used
    assert open_files() == before


@pytest.mark.parametrize(
    "key", ["", "/", ".", "..", "/..", "a/b", "/a/b", "//block", "../secret", "block\0", "none"]
)
def test_a_key_is_a_name_in_the_folder_and_nothing_else(memory, folder, key):
    (folder.parent / "secret").write_bytes(bytes(32))
    with pytest.raises(InvalidInputError):
        memory.register("r", key, 0, 1)


def test_links_and_other_things_than_files_are_refused(memory, folder):
    (folder.parent / "secret").write_bytes(bytes(32))
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "dir").mkdir()
    os.mkfifo(folder / "pipe")
    for key in ("link", "dir", "pipe"):
        with pytest.raises(InvalidInputError):
            memory.register("r", key, 0, 1)


@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, 33), (32, 1), (0, 0), (-1, 4), (0, -1), (2**64 - 1, 1), (1, 2**64 - 1), (2**63, 2**63)],
)
def test_a_region_lies_within_its_file(memory, offset, size):
    with pytest.raises(InvalidInputError):
        memory.register("r", "block", offset, size)


def test_a_name_is_kept_and_so_not_of_any_length(memory):
    memory.register("n" * LONGEST_NAME, "block", 0, 1)
    with pytest.raises(InvalidInputError, match="a name of at most 1024 characters"):
        memory.register("n" * (LONGEST_NAME + 1), "block", 0, 1)


def test_a_name_is_registered_once_until_it_is_forgotten(memory):
    memory.register("r", "block", 0, 8)
    with pytest.raises(InvalidInputError, match="registered already"):
        memory.register("r", "block", 8, 8)
    memory.unregister("r")
    memory.unregister("r")
    memory.register("r", "block", 8, 8)
    memory.register("s", "block", 0, 8)
    assert {each.name: each.offset for each in memory.status("")} == {"r": 8, "s": 0}
    assert memory.status("s")[0].size == 8
    memory.unregister("")
    assert memory.status("") == []
    with pytest.raises(ModelNotFoundError, match="no shared memory region 'r'"):
        memory.read("r", 0, 1)


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_files_are_closed_with_their_regions(memory):
    before = open_files()
    memory.register("r", "block", 0, 8)
    with pytest.raises(InvalidInputError):
        memory.register("s", "block", 0, 99)
    assert open_files() == before + 1
    memory.unregister("")
    assert open_files() == before


def test_nothing_is_possible_unless_it_is_allowed(folder):
    memory = SharedMemory(allowed=False, folder=folder)
    for use in (
        lambda: memory.register("r", "block", 0, 1),
        lambda: memory.unregister(""),
        lambda: memory.status(""),
        lambda: memory.read("r", 0, 1),
        lambda: memory.write("r", 0, 1, b""),
    ):
        with pytest.raises(PermissionDeniedError, match="--allow-shared-memory, or send the tensors"):
            use()


def test_another_process_comes_to_have_the_same_regions_and_no_others(memory, folder):
    memory.register("r", "block", 8, 16)
    other = SharedMemory(allowed=True, folder=folder)
    other.register("s", "block", 0, 4)
    other.restore(memory.regions())
    assert other.regions() == memory.regions()
    assert other.read("r", 0, 1) == bytes([8])
    other.close()


def test_a_region_whose_file_is_gone_is_left_out_and_one_of_another_file_shows(memory, folder):
    memory.register("gone", "block", 0, 4)
    (folder / "again").write_bytes(bytes(8))
    memory.register("again", "again", 0, 4)
    (folder / "block").unlink()
    (folder / "new").write_bytes(bytes(8))
    (folder / "new").rename(folder / "again")
    other = SharedMemory(allowed=True, folder=folder)
    other.restore(memory.regions())
    assert [each["name"] for each in other.regions()] == ["again"]
    assert other.regions()[0] not in memory.regions()
    other.close()


def test_no_more_regions_are_registered_than_files_allow(memory):
    for number in range(MOST):
        memory.register(f"r{number}", "/block", 0, 32)
    with pytest.raises(InvalidInputError, match="no more may be; unregister some first"):
        memory.register("one more", "/block", 0, 32)
    memory.unregister("r0")
    memory.register("one more", "/block", 0, 32)
