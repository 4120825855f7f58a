"""What remains of a library's text when the server's paths are taken out."""

import pytest

from serving.repository.redaction import LONGEST, redact


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "models" / "m" / "1"
    made.mkdir(parents=True)
    return made


def told(reason, folder):
    return redact(reason, folder, folder.parents[1])


def test_files_of_the_version_are_called_by_their_path_in_it(folder):
    assert (
        told(f"Load {folder}/a/w.bin failed: {folder.parents[1]}/n/x", folder) == "Load a/w.bin failed: n/x"
    )
    assert told(f'in "{folder}"', folder) == 'in "1"'


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("cannot open /etc/ssl/secret.pem: no", "cannot open secret.pem: no"),
        ("'/root/.cache/x', (/usr/lib/libfoo.so.1)", "'x', (libfoo.so.1)"),
        ("file:///etc/passwd", "file:passwd"),
        ("path=/etc/passwd;", "path=passwd;"),
        (
            "/onnxruntime_src/onnxruntime/core/graph/graph.cc:1451 onnxruntime::Graph",
            "graph.cc:1451 onnxruntime::Graph",
        ),
        ("external/org/file.h:12", "external/org/file.h:12"),
        ("folder /usr/share/ is", "folder usr is"),
        ('bad\n  Traceback (most recent call last):\n  File "/usr/x.py", line 2', "bad"),
        ('node defined at (most recent call last):\n File "/usr/x.py"', "node defined at"),
        ("two\n  lines\t of it", "two lines of it"),
    ],
)
def test_paths_are_reduced_to_their_names(folder, reason, expected):
    assert told(reason, folder) == expected


@pytest.mark.parametrize(
    "reason",
    [
        "Node (/layer1/conv/Conv) has no kernel",
        "a rate of 5 requests/s, and/or more",
        "shape [1,3]; expected 3/4 of it",
        "'dense/kernel' is missing",
    ],
)
def test_what_is_no_path_is_left_alone(folder, reason):
    assert told(reason, folder) == reason


def test_a_reason_has_an_end(folder):
    assert len(told("x" * 100_000, folder)) == LONGEST + 3
