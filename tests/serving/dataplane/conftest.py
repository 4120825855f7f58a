"""The dataplane alone, on an event loop of its own."""

import asyncio

import pytest
from patience import PATIENCE

from serving.dataplane.dataplane import DataPlane


class OneModel:
    """What the dataplane needs of a repository."""

    def __init__(self, model):
        self.model = model

    def get(self, _name, _version=""):
        return self.model


@pytest.fixture(scope="session")
def one_model():
    """Makes a repository of one model."""
    return OneModel


@pytest.fixture(scope="session")
def with_plane():
    """Runs ``use(plane)`` on an event loop and closes the plane after it."""

    def run(repository, use):
        async def using():
            plane = DataPlane(repository, asyncio.get_running_loop())
            try:
                return await use(plane)
            finally:
                assert await asyncio.to_thread(plane.close, PATIENCE)

        return asyncio.run(using())

    return run
