import json
import logging
import sys

import pytest

from serving.commands.log_format import JsonFormatter, TextFormatter, set_up


def record(message, *, fields=None, exc_info=None):
    made = logging.LogRecord("serving.requests", logging.INFO, __file__, 1, message, (), exc_info)
    if fields is not None:
        made.fields = fields
    return made


def test_an_entry_is_one_line_of_json_with_its_fields():
    line = JsonFormatter().format(record("request", fields={"model": 'a"\nb', "total_us": 7}))
    assert "\n" not in line
    entry = json.loads(line)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "INFO",
        "logger": "serving.requests",
        "event": "request",
        "model": 'a"\nb',
        "total_us": 7,
    }


def test_an_error_brings_its_traceback():
    try:
        int("hot")
    except ValueError:
        entry = json.loads(JsonFormatter().format(record("failed", exc_info=sys.exc_info())))
    assert entry["traceback"].endswith("'hot'\n")


def test_text_has_the_fields_behind_the_message():
    line = TextFormatter().format(record("request", fields={"model": "digits", "total_us": 7}))
    assert line == "INFO: request model=digits total_us=7"


@pytest.mark.parametrize("value", ["a b", "a=b", "a\nb", "\x1b[2J", "", '"'])
def test_a_field_cannot_pass_for_something_else(value):
    line = TextFormatter().format(record("request", fields={"request_id": value}))
    assert line == f"INFO: request request_id={value!r}"
    assert line.isprintable()


def test_an_entry_of_one_of_several_processes_says_of_which(monkeypatch, capsys):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(logging.getLogger("serving"), "level", logging.WARNING)
    set_up("text", "warning", worker=3)
    logging.getLogger("serving.x").warning("here", extra={"fields": {"a": 1}})
    logging.getLogger("serving.x").warning("there")
    assert capsys.readouterr().err == "WARNING: here a=1 worker=3\nWARNING: there worker=3\n"


def test_a_message_cannot_pass_for_another_entry():
    line = TextFormatter().format(record("model 'a\x1b[2J\nERROR: b\udcff' is not ready"))
    assert line == "INFO: model 'a\\x1b[2J\\nERROR: b\\udcff' is not ready"


def test_nor_can_a_line_of_a_traceback():
    try:
        raise ValueError("a\nERROR: \x1b[2J")  # noqa: TRY301  what is raised is what is tested
    except ValueError:
        lines = TextFormatter().format(record("failed", exc_info=sys.exc_info())).split("\n")
    assert lines[0] == "INFO: failed"
    assert lines[1] == "  Traceback (most recent call last):"
    assert lines[-2:] == ["  ValueError: a", "  ERROR: \\x1b[2J"]
