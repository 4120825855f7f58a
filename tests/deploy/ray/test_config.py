"""The config that users deploy, against the code it names."""

import ast
import importlib

import yaml
from plainserve_ray.options import read


def test_it_names_what_there_is(root, shipped):
    (function,) = shipped["grpc_options"]["grpc_servicer_functions"]
    module, _, name = function.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    (application,) = shipped["applications"]
    module, _, name = application["import_path"].partition(":")
    source = root / "deploy" / "ray" / f"{module.replace('.', '/')}.py"
    assert name in {each.name for each in ast.parse(source.read_text()).body if hasattr(each, "name")}
    assert f'name="{application["deployments"][0]["name"]}"' in source.read_text()


def test_its_arguments_are_understood(shipped):
    assert str(read(shipped["applications"][0]["args"]).repository) == "/models"


def test_it_serves_on_the_port_of_a_server_alone_and_keeps_http_on_the_node(shipped):
    assert shipped["grpc_options"]["port"] == 8001
    assert shipped["http_options"]["host"] == "127.0.0.1"


def test_more_may_wait_than_run_and_scaling_begins_before_replicas_are_full(shipped):
    (deployment,) = shipped["applications"][0]["deployments"]
    scaling = deployment["autoscaling_config"]
    assert scaling["target_ongoing_requests"] < deployment["max_ongoing_requests"]
    assert deployment["max_ongoing_requests"] < deployment["max_queued_requests"]
    assert 2 <= scaling["min_replicas"] < scaling["max_replicas"]


def test_a_replica_may_drain_for_as_long_as_a_server_alone(shipped):
    from serving.server.options import ServerOptions  # noqa: PLC0415  beside the one use

    (deployment,) = shipped["applications"][0]["deployments"]
    assert deployment["graceful_shutdown_timeout_s"] == ServerOptions(repository=None).drain_seconds


def test_the_page_shows_the_commands_for_this_file(root):
    page = (root / "docs" / "ray.md").read_text()
    assert "serve deploy deploy/ray/serve.yaml" in page
    assert yaml.safe_load((root / "deploy" / "ray" / "serve.yaml").read_text())
