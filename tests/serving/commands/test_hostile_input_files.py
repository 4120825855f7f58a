"""Files that are not what they say: one clear line, no other program, nothing of theirs done by the terminal."""

import os
import struct
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from serving.cli import main
from serving.commands import image_file, input_file_limits


def npy(shape, body=b"", kind="<f4"):
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + body


def npz(path, *, flag=0, method=0, size=None):
    """An archive of one array; flag and method are what it then says of it, size what it unpacks to."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if size else zipfile.ZIP_STORED) as archive:
        archive.writestr("x.npy", npy((size // 4,), bytes(size)) if size else npy((1, 3), bytes(12)))
    raw = bytearray(path.read_bytes())
    for at in (raw.find(b"PK\3\4") + 6, raw.find(b"PK\1\2") + 8) if flag or method else ():
        raw[at], raw[at + 2] = flag, method
    path.write_bytes(raw)


@pytest.fixture
def refused(run, capsys, tmp_path, monkeypatch):
    """Ask with a file that is refused; returns the one line on stderr."""
    programs = tmp_path / "programs"
    programs.mkdir()
    started = tmp_path / "started"
    for name in ("gs", "gswin64c", "djpeg", "ppmtogif"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} >> {started}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    def call(model, path):
        assert run("predict", model, "--input", path) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), err[:19]) == ("", 1, "plainserve predict:")
        assert err.removesuffix("\n").isprintable()
        assert not started.exists()
        return err

    return call


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("x.json", b"[" * 100_000, "is nested too deeply"),
        ("x.json", b'{"a":' * 100_000, "is nested too deeply"),
        ("x.json", b"[" + b"9" * 5000 + b"]", "x.json: holds a whole number of too many digits"),
        ("x.csv", b"1,2," + b"9" * 5000, "x.csv: holds a whole number of too many digits"),
        ("x.json", b'{"x": {"x": [1, 2, 3]}}', "something that is no number"),
        ("x.json", b'{"x": null}', "something that is no number"),
        ("x.json", b"\xff\xfe", "x.json: "),
        ("x.npy", npy((99999999999, 64)), "x.npy: "),
        ("x.npy", npy((2**62, 2**62)), "x.npy: "),
        ("x.npy", npy((1, 3), bytes(4)), "x.npy: "),
        ("x.npy", npy((1, 3), bytes(4), "|O"), "x.npy: "),
        ("x.npy", npy((1,) * 70), "x.npy: "),
        ("x.npy", b"\x93NUMPY\1\0", "x.npy: "),
        ("x.npz", npy((1, 3), bytes(12)), "is not an .npz file, whatever its name says"),
        ("x.npz", b"\x80\4K\1.", "is not an .npz file, whatever its name says"),
        ("x.csv", b"1,\x1b[31mred\x1b]0;x\x07,3", r"holds '\x1b[31mred\x1b]0;x\x07' where a number"),
        ("x.csv", "1,\u202e2,3".encode(), r"holds '\u202e2'"),
        ("x.csv", b"1," + b"2" * 200_000, "field larger than field limit"),
        ("x.csv", b"1,\0,3", "x.csv: "),
        ("x.csv", b"1," + b"z" * 100_000, "..."),
    ],
)
def test_a_damaged_file_is_one_line(refused, tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content)
    assert text in refused("rows", tmp_path / name)


def test_an_archive_that_cannot_be_unpacked_is_one_line(refused, tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    npz(path, flag=1)
    assert "encrypted" in refused("rows", path)
    npz(path, method=99)
    assert "compression method" in refused("rows", path)
    monkeypatch.setattr(input_file_limits, "MOST_BINARY", 1 << 20)
    npz(path, size=2 << 20)
    assert path.stat().st_size < 1 << 20
    assert "has 2 MiB, and 1 is the most that is read" in refused("rows", path)


def test_what_is_no_regular_file_is_not_opened(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "device.csv").symlink_to("/dev/zero")
    for name in ("pipe.npy", "folder.json", "device.csv"):
        assert "is not a regular file" in refused("rows", tmp_path / name)
    (tmp_path / "loop.npy").symlink_to("loop.npy")
    assert "cannot be read" in refused("rows", tmp_path / "loop.npy")
    assert "there is no such file" in refused("rows", tmp_path / "none\x1b.npy")
    assert "null byte" in refused("rows", f"{tmp_path}/x\0.npy")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_one_line(refused, tmp_path):
    (tmp_path / "x.npy").touch(mode=0)
    assert "Permission denied" in refused("rows", tmp_path / "x.npy")


def test_a_file_that_is_too_large_is_not_read(refused, tmp_path):
    for name, most in (("x.npy", input_file_limits.MOST_BINARY), ("x.json", input_file_limits.MOST_TEXT)):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, most + (1 << 20))
        assert f"and {most >> 20} is the most that is read" in refused("rows", tmp_path / name)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("suffix", image_file.SUFFIXES)
def test_an_image_is_of_a_listed_format_whatever_its_name(refused, tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(POSTSCRIPT)
    assert "is no image that can be read; those are: PNG, JPEG" in refused("digits", path)
    Image.new("L", (4, 4)).save(path, "PPM")
    assert "is no image that can be read" in refused("digits", path)


@pytest.mark.parametrize("kind", image_file.FORMATS)
def test_an_image_that_is_cut_off_is_one_line_and_a_whole_one_is_read(refused, run, capsys, tmp_path, kind):
    path, noise = tmp_path / "x.png", np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path, kind)
    assert run("predict", "digits", "--input", path) == 0
    assert "resized from 64 x 64 to 4 x 4 pixels and turned grey" in capsys.readouterr().err
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("digits", path)


def test_an_image_that_claims_to_be_huge_is_not_decoded(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(image_file, "MOST_PIXELS", 100)
    Image.new("L", (101, 1)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image.Image, "convert", None)
    assert "would have 101 x 1 pixels, and 100 is the most" in refused("digits", tmp_path / "x.png")


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_an_image_that_would_be_cut_to_8_bits_is_refused(refused, tmp_path, mode):
    path = tmp_path / "x.tiff"
    Image.new(mode, (4, 4), 1000).save(path)
    assert "more than 8 bits a channel" in refused("digits", path)


def test_nothing_of_pillow_is_needed_for_other_files(run, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    (tmp_path / "x.json").write_text("[1, 2, 3]")
    assert run("predict", "rows", "--input", tmp_path / "x.json") == 0
    assert capsys.readouterr().err == ""


# What the server says.


@pytest.mark.parametrize("shape", [("--json",), (), ("terminal",)])
def test_control_characters_of_an_answer_are_shown_and_not_done(run, capsys, tmp_path, monkeypatch, shape):
    (tmp_path / "x.json").write_text(r'[["\u001b[31mred", "\u007f\u009b31m\u202e"]]')
    if shape == ("terminal",):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        shape = ()
    assert run("predict", "text", "--input", tmp_path / "x.json", *shape) == 0
    out = capsys.readouterr().out
    assert "31mred" in out
    # rich styles a table with sequences of its own.
    assert not set(out) & {"\x7f", "\x9b", "\u202e", "\x07"}
    assert "\x1b[31mred" not in out


def test_control_characters_of_names_are_shown_and_not_done(capsys, address, tmp_path):
    (tmp_path / "x.json").write_text("[1, 2, 3]")
    for command in (
        ["predict", "m\x1b[31m", "--input", str(tmp_path / "x.json")],
        ["health", "--model", "m\x1b[31m"],
    ):
        assert main([*command, "--server", address]) == 1
        assert r"m\x1b[31m" in capsys.readouterr().err
