"""A server for faults, and clients that break the rules."""

import importlib.util
import socket
from pathlib import Path

import pytest
from patience import PATIENCE

FRAMES = Path(__file__).parents[2] / "security" / "fuzz_wire" / "http2.py"


@pytest.fixture(scope="session")
def http2():
    """HTTP/2 written by hand."""
    spec = importlib.util.spec_from_file_location("http2", FRAMES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def connect():
    """Open raw connections to an address; they are closed with the test."""
    opened = []

    def make(address):
        host, _, port = address.rpartition(":")
        opened.append(socket.create_connection((host, int(port)), timeout=PATIENCE))
        return opened[-1]

    yield make
    for each in opened:
        each.close()
