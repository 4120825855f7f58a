"""Why the native front end cannot be used: each reason says what to install."""

import importlib
import re

import pytest

from serving.transport.native.availability import MODULE, availability


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            ModuleNotFoundError("No module", name=MODULE),
            "was not built .* apt-get install g.. libnghttp2-dev",
        ),
        (
            ImportError("libnghttp2.so.14: cannot open shared object file: No such file or directory"),
            "libnghttp2 is missing; install it .*apt-get install libnghttp2-14",
        ),
        (
            ImportError("/somewhere/_frontend.abi3.so: undefined symbol: nghttp2_session_new"),
            "libnghttp2 is too old .nghttp2_session_new is missing.; update it",
        ),
        (ImportError("wrong ELF class: ELFCLASS32"), "cannot be loaded: wrong ELF class"),
    ],
)
def test_the_reason_is_named_with_what_to_do(monkeypatch, error, reason):
    def fail(_name):
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)
    assert re.search(reason, availability())


def test_a_module_that_it_lacks_itself_is_no_reason_but_a_fault(monkeypatch):
    def fail(_name):
        raise ModuleNotFoundError("No module named 'elsewhere'", name="elsewhere")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError):
        availability()


def test_what_can_be_imported_is_available(monkeypatch):
    monkeypatch.setattr(importlib, "import_module", lambda _name: None)
    assert availability() is None
