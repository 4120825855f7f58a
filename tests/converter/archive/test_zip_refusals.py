import struct
import warnings
import zipfile

import pytest

from converter.archive import Budget
from converter.errors import UnsafeFileError, UsageError


def directory_entry(data: bytes, name: str) -> int:
    """Where the archive's directory speaks of a member."""
    at = data.rindex(name.encode()) - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    return at


def patched(path, name, offset, value, *, local=False):
    data = bytearray(path.read_bytes())
    at = data.index(name.encode()) - 30 if local else directory_entry(bytes(data), name)
    data[at + offset : at + offset + len(value)] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PK", "is neither a .keras archive nor an HDF5 file"),
        (b"PK\x03\x04" + bytes(100), "is a damaged or truncated archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is not a readable HDF5 file"),
        (b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}.", "is a pickle, which runs code when opened"),
        (b"cos\nsystem\n(S'id'\ntR.", "is neither a .keras archive nor an HDF5 file"),
        (b"\x1f\x8b\x08" + bytes(100), "is packed with gzip"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, refusal, content, message):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    error = refusal(path)
    assert isinstance(error, UnsafeFileError)
    assert message in error.what


def test_a_file_cut_anywhere_is_refused(keras_file, h5_file, refusal):
    for path in (keras_file(), h5_file()):
        whole = path.read_bytes()
        for length in range(0, len(whole), max(1, len(whole) // 150)):
            path.write_bytes(whole[:length])
            assert refusal(path).exit_code == 3


def test_a_device_and_a_missing_file_are_the_users_mistake(tmp_path, refusal):
    assert isinstance(refusal(tmp_path / "none.keras"), UsageError)
    import os  # noqa: PLC0415  for this line only

    os.mkfifo(tmp_path / "pipe.keras")
    assert refusal(tmp_path / "pipe.keras").what == "is no regular file"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/cron.d/job", "has an absolute path"),
        ("C:\\evil", "has an absolute path"),
        ("\\\\host\\share", "has an absolute path"),
        ("assets/../../evil", "leaves the archive ('..' in its path)"),
        ("assets\\..\\..\\evil", "leaves the archive ('..' in its path)"),
        ("..", "leaves the archive ('..' in its path)"),
    ],
)
def test_a_member_that_points_out_of_the_archive_is_refused(keras_file, refusal, name, message):
    assert refusal(keras_file(members=[(name, b"x")])).what == message


def test_a_member_that_is_a_link_is_refused(keras_file, refusal):
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = 0o120777 << 16
    assert refusal(keras_file(members=[(link, b"/etc/passwd")])).what == "is a link"


def test_an_encrypted_member_is_refused(keras_file, refusal):
    assert refusal(patched(keras_file(), "config.json", 8, b"\x01\x00")).what == "is encrypted"


def test_a_nul_in_a_name_is_refused(keras_file, refusal):
    path = patched(keras_file(members=[("assets/xx", b"")]), "assets/xx", 46, b"config.js")
    path = patched(path, "config.js", 46, b"config\0js")
    assert refusal(path).what == "has a NUL byte in its name"


def test_a_member_that_appears_twice_is_refused(keras_file, refusal):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of what is done here on purpose
        path = keras_file(members=[("config.json", b"{}")])
    assert refusal(path).what == "appears twice"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(keras_file, refusal, method):
    assert refusal(keras_file(compression=method)).what == f"uses compression method {method}"


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
def test_an_archive_without_its_parts_is_refused(keras_file, tmp_path, refusal, missing):
    path = tmp_path / "partial.keras"
    with zipfile.ZipFile(keras_file()) as whole, zipfile.ZipFile(path, "w") as part:
        for name in set(whole.namelist()) - {missing}:
            part.writestr(name, whole.read(name))
    assert refusal(path).what == f"has no {missing}"


def test_a_bomb_is_refused_by_its_ratio(keras_file, refusal):
    path = keras_file(members=[("assets/bomb", bytes(20 * 2**20))], compression=zipfile.ZIP_DEFLATED)
    assert refusal(path).what == "unpacks to over 1000 times its size, as a zip bomb does"


def test_a_bomb_is_refused_by_one_members_size(keras_file, refusal):
    path = keras_file(members=[("assets/large", bytes(9000))])
    assert refusal(path, budget=Budget(member_bytes=8500)).what == "unpacks to 9,000 bytes, more than 8,500"


def test_a_bomb_is_refused_by_the_size_of_all_members(keras_file, refusal):
    path = keras_file(members=[(f"assets/{i}", bytes(1000)) for i in range(50)])
    assert "bytes, more than 20,000" in refusal(path, budget=Budget(total_bytes=20_000)).what


def test_a_bomb_that_lies_about_its_size_is_refused(keras_file, refusal):
    path = keras_file(compression=zipfile.ZIP_DEFLATED)
    for local in (False, True):
        patched(path, "model.weights.h5", 22 if local else 24, struct.pack("<I", 1000), local=local)
    assert refusal(path).what.startswith(("unpacks to more than it declares", "is damaged"))


def test_more_members_than_allowed_are_refused(keras_file, refusal):
    path = keras_file(members=[(f"assets/{i}", b"") for i in range(50)])
    assert refusal(path, budget=Budget(members=40)).what == "holds more than 40 members"


def test_a_directory_larger_than_allowed_is_refused_before_it_is_read(keras_file, refusal):
    path = keras_file(members=[(f"assets/{i}", b"") for i in range(50)])
    error = refusal(path, budget=Budget(directory_bytes=1000))
    assert "where at most 1,000 belong" in error.what


@pytest.mark.parametrize(
    ("offset", "value"),
    [(6, b"\x01\x00"), (8, b"\x08\x00"), (18, b"\x07\0\0\0"), (22, b"\x07\0\0\0"), (30, b"other.json")],
    ids=["flags", "method", "packed size", "size", "name"],
)
@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_headers_that_contradict_each_other_are_refused(keras_file, refusal, name, offset, value):
    error = refusal(patched(keras_file(), name, offset, value, local=True))
    assert error.what == "its header contradicts the archive's directory"


def test_a_member_that_begins_before_the_archive_is_refused(keras_file, refusal):
    path = keras_file()
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x05\x06") + 16
    data[at : at + 4] = struct.pack("<I", struct.unpack_from("<I", data, at)[0] + 999)
    path.write_bytes(data)
    assert refusal(path).what == "is damaged (it begins before the archive)"


def test_a_stored_member_with_a_changed_byte_is_refused(keras_file, refusal):
    path = keras_file()
    data = path.read_bytes()
    kernel = struct.pack("<3f", 1, 2, 3)
    path.write_bytes(data.replace(kernel, struct.pack("<3f", 1, 2, 4)))
    assert refusal(path).what == "is damaged (its checksum does not match)"
