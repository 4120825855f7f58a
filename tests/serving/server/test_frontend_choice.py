"""Which front end serves, and what is said when the one that was asked for cannot."""

import logging

import pytest

from serving.errors import FrontEndError
from serving.server import frontend_choice
from serving.server.options import FrontEnd


@pytest.fixture
def unavailable(monkeypatch):
    monkeypatch.setattr(frontend_choice, "availability", lambda: "it was not built; apt-get install g++")


@pytest.fixture
def available(monkeypatch):
    monkeypatch.setattr(frontend_choice, "availability", lambda: None)


@pytest.mark.usefixtures("available")
@pytest.mark.parametrize(
    ("wanted", "chosen"), [("auto", "native"), ("native", "native"), ("grpcio", "grpcio")]
)
def test_where_native_can_be_used_it_serves_unless_grpcio_is_wanted(wanted, chosen, caplog):
    caplog.set_level(logging.INFO, frontend_choice.__name__)
    assert frontend_choice.choose(FrontEnd(wanted)) is FrontEnd(chosen)
    assert caplog.messages == []


@pytest.mark.usefixtures("unavailable")
def test_auto_takes_grpcio_where_native_cannot_be_used_and_logs_why(caplog):
    caplog.set_level(logging.INFO, frontend_choice.__name__)
    assert frontend_choice.choose(FrontEnd.AUTO) is FrontEnd.GRPCIO
    assert caplog.messages == [
        "the grpcio front end serves, because the native one cannot be used: it was not built; apt-get install g++"
    ]
    assert caplog.records[0].levelno == logging.INFO


@pytest.mark.usefixtures("unavailable")
def test_native_where_it_cannot_be_used_is_an_error_that_says_what_to_do():
    text = "it was not built; apt-get install g\\+\\+; or serve with --frontend grpcio"
    with pytest.raises(FrontEndError, match=text) as error:
        frontend_choice.choose(FrontEnd.NATIVE)
    assert error.value.exit_code == 6


@pytest.mark.usefixtures("unavailable")
def test_who_wants_grpcio_hears_nothing_of_native(caplog):
    caplog.set_level(logging.DEBUG, frontend_choice.__name__)
    assert frontend_choice.choose(FrontEnd.GRPCIO) is FrontEnd.GRPCIO
    assert frontend_choice.loop_factory(FrontEnd.GRPCIO) is None
    assert caplog.messages == []
