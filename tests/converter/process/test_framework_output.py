"""Silence inside the block, everything as before after it."""

import logging
import os
import sys
import warnings
from pathlib import Path

import pytest

from converter.process.framework_output import quiet


def test_nothing_is_heard_whatever_way_it_is_said(capfd):
    with quiet():
        sys.stdout.write("stdout\n")
        sys.stderr.write("stderr\n")
        os.write(1, b"descriptor 1\n")
        os.write(2, b"descriptor 2\n")
        logging.getLogger("tf2onnx").critical("log")
        warnings.warn("warning", stacklevel=1)
    assert capfd.readouterr() == ("", "")


def test_afterwards_everything_is_heard_again_even_after_an_error(capfd):
    with pytest.raises(KeyError), quiet():
        raise KeyError
    os.write(1, b"descriptor 1\n")
    os.write(2, b"descriptor 2\n")
    assert capfd.readouterr() == ("descriptor 1\n", "descriptor 2\n")
    assert logging.root.manager.disable == logging.NOTSET


def test_what_was_printed_before_is_not_lost(capfd):
    sys.stdout.write("before")
    with quiet():
        pass
    assert capfd.readouterr().out == "before"


def test_no_descriptor_is_leaked():
    before = {file.name for file in Path("/proc/self/fd").iterdir()}
    for _ in range(3):
        with quiet():
            pass
    assert {file.name for file in Path("/proc/self/fd").iterdir()} == before


def test_a_handler_made_inside_may_be_used_afterwards(capfd):
    logger = logging.getLogger("plainserve.test_quiet")
    with quiet():
        handler = logging.StreamHandler()
    logger.addHandler(handler)
    logger.warning("chatter")
    logger.removeHandler(handler)
    assert "Logging error" not in capfd.readouterr().err


def test_handlers_that_write_elsewhere_get_nothing_either(caplog):
    with quiet():
        logging.getLogger("tensorflow").error("chatter")
    logging.getLogger("tensorflow").error("heard")
    assert [record.message for record in caplog.records] == ["heard"]
