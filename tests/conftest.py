"""What every test shares: a quiet TensorFlow, and hypothesis that gives the same examples every time."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

settings.register_profile("plainserve", derandomize=True, database=None, deadline=None)
settings.load_profile("plainserve")


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def models(root) -> Path:
    """The example models."""
    return root / "models"
