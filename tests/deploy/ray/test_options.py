from pathlib import Path

import pytest
from plainserve_ray.options import ENVIRONMENT, ReplicaOptions, read


def test_the_config_names_the_repository_and_how_often_it_is_looked_at(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, "/elsewhere")
    found = read({"repository": "/models", "repository_poll_secs": 15, "log_level": "info"})
    assert found == ReplicaOptions(Path("/models"), 15.0, "info")


def test_without_a_repository_in_the_config_the_environment_names_it(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, "/models")
    assert read({}) == ReplicaOptions(Path("/models"), None, "warning")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({}, "args needs repository"),
        ({"repository": 3}, "args needs repository"),
        ({"repository": "/models", "repositry_poll_secs": 3}, "'repositry_poll_secs'"),
        ({"repository": "/models", "repository_poll_secs": 0}, "a time above 0; got 0"),
        ({"repository": "/models", "repository_poll_secs": "often"}, "a time above 0; got 'often'"),
        ({"repository": "/models", "repository_poll_secs": float("nan")}, "a time above 0; got nan"),
        ({"repository": "/models", "log_level": "loud"}, "log_level must be"),
    ],
)
def test_what_is_wrong_in_the_config_is_named(monkeypatch, args, text):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(ValueError, match=text):
        read(args)
