"""The name under which a file knows the user's own code, in every form in which it is written."""

import base64
import marshal

import pytest

from converter.description.serialized_object import serialized_object


def stored(source: str) -> list:
    """A lambda's code, defaults and closure."""
    code = next(each for each in compile(source, "model.py", "eval").co_consts if hasattr(each, "co_code"))
    return [base64.b64encode(marshal.dumps(code)).decode(), None, None]


NAMING = stored("lambda x: smooth_sigmoid(x)")
SPELLED = stored("lambda x: x / (1 + abs(x))")


def as_object(listed: list) -> dict:
    return {
        "class_name": "__lambda__",
        "config": dict(zip(("code", "defaults", "closure"), listed, strict=True)),
    }


FORMS = {
    "a name": "smooth_sigmoid",
    "a registered name": "Custom>smooth_sigmoid",
    "a function": {"class_name": "function", "config": "smooth_sigmoid"},
    "a lambda of Keras 3": as_object(NAMING),
    "a lambda of Keras 2": NAMING,
    "a lambda as an argument": {"value": NAMING},
    "a lambda object as an argument": {"class_name": "__lambda__", "config": {"value": NAMING}},
    "a Lambda layer of Keras 3": {"class_name": "Lambda", "config": {"function": as_object(NAMING)}},
    "a Lambda layer of Keras 2": {"class_name": "Lambda", "config": {"function": NAMING}},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_function_is_known_by_its_name(form):
    found = serialized_object(FORMS[form], {})
    assert found.name == "smooth_sigmoid"
    assert found.config is None


def test_a_class_is_known_with_its_options():
    found = serialized_object({"class_name": "Custom>PSSLayer", "config": {"alpha": 3.0}}, {})
    assert (found.name, found.config) == ("PSSLayer", {"alpha": 3.0})


@pytest.mark.parametrize(
    "value",
    [
        None,
        2.0,
        [],
        SPELLED,
        as_object(SPELLED),
        ["no code", None, None],
        [1, 2, 3],
        {"class_name": "__lambda__", "config": 1},
        {"class_name": "function", "config": {}},
        {"class_name": "PSSLayer"},
    ],
    ids=str,
)
def test_what_names_nothing_has_no_original(value):
    assert serialized_object(value, {}) is None
