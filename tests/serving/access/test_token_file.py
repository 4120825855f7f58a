"""The file of tokens."""

import logging
import os
from time import monotonic

import pytest

from serving.access import file_reloader
from serving.access.rights import Right
from serving.access.token_file import TokenFile
from serving.errors import CredentialsError

ONE, TWO = "a" * 16, "b.-_~+/" * 3 + "=="


def written(path, text, mode=0o600):
    staged = path.with_suffix(".new")
    staged.write_bytes(text if isinstance(text, bytes) else text.encode())
    staged.chmod(mode)
    staged.rename(path)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens"


@pytest.fixture
def look_always(monkeypatch):
    """A change is seen at once."""
    monkeypatch.setattr(file_reloader, "INTERVAL", 0.0)


def test_a_token_has_the_right_that_stands_before_it(path):
    tokens = TokenFile(written(path, f"# shop\n  inference {ONE}\n\nadministration\t{TWO}\t\r\n"))
    assert tokens.right(ONE) is Right.INFERENCE
    assert tokens.right(TWO) is Right.ADMINISTRATION


@pytest.mark.parametrize(
    "token", ["", ONE[:-1], ONE + "a", ONE + " ", " " + ONE, ONE.upper(), "é", "\ud800", "#"]
)
def test_whatever_is_not_exactly_a_token_has_none(path, token):
    assert TokenFile(written(path, f"inference {ONE}\n")).right(token) is Right.NONE


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "holds no token"),
        ("# nothing\n", "holds no token"),
        (f"# x\nadmin {ONE}\n", "line 2: it must begin with inference or administration"),
        (f"Inference {ONE}\n", "line 1: it must begin with"),
        (f"{ONE}\n", "line 1: it must begin with"),
        ("inference\n", "line 1: it must be a right and one token; it has 1 words"),
        (f"inference {ONE} {TWO}\n", "line 1: .* it has 3 words"),
        (f"inference {ONE} # shop\n", "line 1: .* it has 4 words"),
        ("inference short\n", "line 1: the token is shorter than 16 characters"),
        (f"inference {ONE}\ninference {ONE}é\n", "line 2: a token is made of"),
        (f"inference {ONE}=a\n", "line 1: a token is made of"),
        (f"inference {ONE}\nadministration {ONE}\n", "line 2: this token is already on an earlier line"),
        (b"inference \xff\n", "is not UTF-8"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_no_token_is_shown(path, text, fault):
    with pytest.raises(CredentialsError, match=fault) as error:
        TokenFile(written(path, text))
    assert ONE not in str(error.value)


def test_a_file_that_is_not_there_is_named(path):
    with pytest.raises(CredentialsError, match=r"cannot read '.*tokens': No such file"):
        TokenFile(path)


@pytest.mark.usefixtures("look_always")
def test_a_new_file_takes_effect_while_the_server_runs(path):
    tokens = TokenFile(written(path, f"inference {ONE}\n"))
    written(path, f"administration {TWO}\n")
    assert (tokens.right(ONE), tokens.right(TWO)) == (Right.NONE, Right.ADMINISTRATION)


@pytest.mark.usefixtures("look_always")
@pytest.mark.parametrize("change", ["broken", "gone", "empty"])
def test_a_file_that_becomes_useless_leaves_the_tokens_and_is_told_once(path, caplog, change):
    tokens = TokenFile(written(path, f"inference {ONE}\n"))
    if change == "gone":
        path.unlink()
    else:
        written(path, "" if change == "empty" else f"inference {TWO}\nadmin {TWO}\n")
    for _ in range(3):
        assert (tokens.right(ONE), tokens.right(TWO)) == (Right.INFERENCE, Right.NONE)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    written(path, f"inference {TWO}\n")
    assert (tokens.right(ONE), tokens.right(TWO)) == (Right.NONE, Right.INFERENCE)


def test_between_two_looks_the_file_is_left_alone(path, monkeypatch):
    tokens = TokenFile(written(path, f"inference {ONE}\n"))
    written(path, f"inference {TWO}\n")
    start = monotonic()
    monkeypatch.setattr(file_reloader, "monotonic", lambda: start)
    assert tokens.right(ONE) is Right.INFERENCE
    monkeypatch.setattr(file_reloader, "monotonic", lambda: start + file_reloader.INTERVAL)
    assert tokens.right(TWO) is Right.INFERENCE


@pytest.mark.parametrize(("mode", "warnings"), [(0o644, 1), (0o604, 1), (0o640, 0), (0o600, 0)])
def test_a_file_that_everyone_can_read_is_warned_of(path, caplog, mode, warnings):
    TokenFile(written(path, f"inference {ONE}\n", mode))
    assert len([each for each in caplog.records if "chmod o-r" in each.getMessage()]) == warnings


def test_no_token_is_kept_only_its_hash(path):
    tokens = TokenFile(written(path, f"inference {ONE}\n"))
    os.truncate(path, 0)
    assert ONE.encode() not in b"".join(digest for digest, _ in tokens._entries._content)
    assert tokens.right(ONE) is Right.INFERENCE


def test_every_entry_is_compared_whichever_matches(path, monkeypatch):
    compared = []
    compare = __import__("hmac").compare_digest

    def record(one, other):
        compared.append(other)
        return compare(one, other)

    tokens = TokenFile(written(path, "".join(f"inference {letter * 16}\n" for letter in "abcde")))
    monkeypatch.setattr("serving.access.token_file.hmac.compare_digest", record)
    assert tokens.right("a" * 16) is Right.INFERENCE
    assert len(compared) == 5
