import json
import time

import pytest

from converter.archive import Budget
from converter.archive.json_text import parse_json
from converter.errors import UnsafeFileError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"class_name": "Sequential", "class_name": "Lambda"}', "states 'class_name' twice"),
        ('{"a": {"b": 1, "b": 2}}', "states 'b' twice"),
        ("[" * 300 + "]" * 300, "is nested deeper than 200 levels"),
        ('{"a":' * 201 + "1" + "}" * 201, "is nested deeper than 200 levels"),
        ("[" * 5_000_000, "holds more than 2,000,000 values"),
        ("[" + "0," * 2_000_001 + "0]", "holds more than 2,000,000 values"),
        (" " * (16 * 2**20 + 1), "holds 16,777,217 bytes of JSON, more than the 16,777,216 allowed"),
        ("[1, 2]", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("", "is not JSON"),
        ('{"a": 1} {"b": 2}', "is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "is not JSON"),
        ('{"a": "\\ud800"}', "is not JSON"),
        ('{"a": "\n"}', "is not JSON"),
        ("{'a': 1}", "is not JSON"),
    ],
)  # fmt: skip
def test_text_that_is_no_harmless_object_is_refused(keras_file, refusal, text, message):
    error = refusal(keras_file(config=text))
    assert error.exit_code == 3
    assert error.what.startswith(message)
    assert error.where == "model.keras: config.json"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_another_encoding_is_refused(keras_file, refusal, encoding):
    assert refusal(keras_file(config='{"a": "\xe9"}'.encode(encoding))).what.startswith("is not JSON")


def test_brackets_and_quotes_inside_strings_do_not_count_as_depth():
    text = json.dumps({"a": "[{" * 500 + '\\"' * 10})
    assert parse_json(text.encode(), "here", Budget())["a"].startswith("[{")


@pytest.mark.parametrize("unit", ['"', '\\"', '"\\', '"a', "\\", '{"', '"\\"\\'])
def test_no_text_takes_long_to_refuse(unit):
    # A tenth of a second; if each byte were looked at from each place before it, it would be more than a minute.
    begun = time.process_time()
    with pytest.raises(UnsafeFileError):
        parse_json(('["' + unit * (2**18 // len(unit))).encode(), "here", Budget())
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('"3; import os"', "'3; import os'"),
        ("NaN", "nan"),
        ("Infinity", "inf"),
        ("-Infinity", "-inf"),
        ("1e999", "inf"),
        ("1" + "0" * 400, "1000"),
        ('"3.0"', "'3.0'"),
        ("true", "True"),
        ("null", "None"),
        ("{}", "{}"),
    ],
)
def test_a_parameter_that_is_no_finite_number_is_refused_by_name(keras_file, refusal, config, value, shown):
    text = json.dumps(config).replace('"alpha": 3.0', f'"alpha": {value}')
    error = refusal(keras_file(config=text))
    assert error.exit_code == 3
    assert error.where == "layer 'pss'"
    assert "'alpha'" in error.what
    assert shown in error.what


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "[NaN]"])
def test_an_option_of_a_built_in_layer_that_is_not_finite_is_refused_by_name(
    keras_file, refusal, config, value
):
    text = json.dumps(config).replace('"units": 3', f'"units": {value}')
    error = refusal(keras_file(config=text))
    assert (error.exit_code, error.where) == (3, "layer 'dense'")
    assert error.what.startswith("option 'units' must be a finite number, not ")
