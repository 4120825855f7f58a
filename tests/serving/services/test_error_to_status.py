import logging

import pytest
from google.protobuf.message import DecodeError

from serving import errors
from serving.services.error_to_status import INTERNAL_TEXT, PUSHBACK, STARTUP_TEXT, STATUS, status_of
from serving.transport.status_code import Code


def every(error):
    return [error, *(deeper for each in error.__subclasses__() for deeper in every(each))]


@pytest.mark.parametrize("error", every(errors.ServingError)[1:])
def test_every_error_has_a_row_in_the_table(error):
    assert error in STATUS


def test_the_table_has_no_row_too_many():
    assert set(STATUS) == set(every(errors.ServingError)[1:])


def test_every_promised_code_is_used():
    names = (
        "INVALID_ARGUMENT NOT_FOUND UNAVAILABLE RESOURCE_EXHAUSTED DEADLINE_EXCEEDED CANCELLED "
        "UNIMPLEMENTED UNAUTHENTICATED PERMISSION_DENIED INTERNAL"
    )
    assert {code.name for code in STATUS.values()} == set(names.split())


def test_the_tree_in_the_docstring_names_every_error():
    for error in every(errors.ServingError):
        assert f"{error.__name__} " in errors.__doc__.replace("\n", " ")


def test_the_client_reads_the_text_of_an_error_it_can_act_on():
    code, text, trailers = status_of(errors.ModelNotFoundError("there is no model 'x'"))
    assert (code, text, trailers) == (Code.NOT_FOUND, "there is no model 'x'", ())


def test_a_full_queue_tells_when_to_come_back():
    _, _, trailers = status_of(errors.QueueFullError("full", retry_after=0.0203))
    assert trailers == ((PUSHBACK, "21"),)


@pytest.mark.parametrize("error", [errors.InternalError("/secret/path"), KeyError("/secret/path")])
def test_faults_of_ours_are_logged_and_not_told(caplog, error):
    with caplog.at_level(logging.ERROR):
        code, text, _ = status_of(error)
    assert code is Code.INTERNAL
    assert text == INTERNAL_TEXT
    assert "/secret/path" in caplog.text


@pytest.mark.parametrize("error", every(errors.StartupError))
def test_what_is_wrong_with_the_servers_own_files_is_logged_and_not_told(caplog, error):
    code, text, _ = status_of(error("cannot read the repository '/secret/path': No such file"))
    assert code is Code.UNAVAILABLE
    assert text == STARTUP_TEXT
    assert "/secret/path" in caplog.text


def test_a_message_that_cannot_be_parsed_is_the_clients_fault():
    code, text, _ = status_of(DecodeError("truncated"))
    assert code is Code.INVALID_ARGUMENT
    assert "not a valid protobuf message" in text
