"""docker-compose.yml against the specification, the Dockerfile, the commands and the files that it speaks of."""

import copy
import json
import shlex
from pathlib import Path, PurePosixPath

import jsonschema
import pytest
import yaml

import converter.command.arguments
import serving.cli

PARSERS = {"convert": converter.command.arguments.parser, "plainserve": serving.cli.parser}
OURS = ["convert", "server"]
SERVICES = [*OURS, "envoy", "prometheus", "grafana"]
SCHEMAS = Path(__file__).parent / "schemas"
COMPOSE_FILES = ["docker-compose.yml", "deploy/envoy/compose-tls.yml"]


@pytest.fixture(params=SERVICES)
def service(request, compose):
    return compose["services"][request.param]


@pytest.fixture(scope="session")
def errors():
    """What the Compose Specification's schema has against a file."""
    schema = json.loads((SCHEMAS / "compose-spec.json").read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return lambda made: [error.message for error in kind(schema).iter_errors(made)]


@pytest.fixture(scope="session")
def tls(project):
    return yaml.safe_load((project / "deploy" / "envoy" / "compose-tls.yml").read_text())


def target_of(service):
    return service["build"]["target"]


def mounts(service):
    """(source, mode) by the path in the container."""
    words = [
        volume.rsplit(":", 2) if volume.endswith(":ro") else volume.split(":")
        for volume in service["volumes"]
    ]
    return {target: (source, mode[0] if mode else "rw") for source, target, *mode in words}


def options_of(service, dockerfile, arguments=None):
    """What the command line of a service's container parses to, with its own arguments or others."""
    command, *first = service.get("entrypoint") or dockerfile.command(target_of(service), "ENTRYPOINT")
    return PARSERS[command]().parse_args([*first, *(service["command"] if arguments is None else arguments)])


def seconds(text):
    assert text.endswith("s")
    return int(text.removesuffix("s"))


@pytest.mark.parametrize("path", COMPOSE_FILES)
def test_it_is_what_the_specification_allows(project, errors, path):
    assert errors(yaml.safe_load((project / path).read_text())) == []


def test_a_mistake_would_be_noticed(compose, errors):
    for change in ({"replicas": 2}, {"ports": 8001}, {"depends_on": {"envoy": {"condition": "healthy"}}}):
        made = copy.deepcopy(compose)
        made["services"]["server"].update(change)
        assert errors(made)


def test_our_services_are_built_from_targets_of_the_dockerfile_and_the_others_have_a_version(
    compose, dockerfile
):
    assert list(compose["services"]) == SERVICES
    for name, service in compose["services"].items():
        if name in OURS:
            assert target_of(service) in dockerfile.stages
            assert service["image"] == f"plainserve-{'converter' if name == 'convert' else name}"
        else:
            assert "build" not in service
            assert service["image"].partition(":")[2].strip("v")[0].isdecimal()


def test_a_service_can_change_nothing_but_its_volumes(service):
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"][0] == "/tmp"  # noqa: S108  the container's own
    assert "privileged" not in service


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_as_the_images_user(compose, name):
    assert "user" not in compose["services"][name]


def test_what_is_mounted_from_this_tree_is_there_and_cannot_be_changed(compose, tls, project):
    for service in (*compose["services"].values(), *tls["services"].values()):
        for source, mode in mounts(service).values() if "volumes" in service else ():
            if source.startswith("./"):
                assert (project / source).exists()
                assert mode == "ro"
            else:
                assert source in compose["volumes"] or source.startswith("${TLS_FOLDER:?")


def test_the_volume_is_mounted_over_folders_of_the_user_of_both_images(compose, dockerfile):
    owners = set()
    for name in OURS:
        service = compose["services"][name]
        target = target_of(service)
        (folder,) = [path for path, (source, _) in mounts(service).items() if source == "repository"]
        owners.add(dockerfile.folders(target)[folder])
        owners.add(dockerfile.setting(target, "USER"))
    assert compose["volumes"] == {"repository": None, "metrics": None}
    assert len(owners) == 1


def test_the_servers_serve_what_the_job_writes_and_cannot_write_it(compose, dockerfile):
    job, server = (compose["services"][name] for name in OURS)
    written = mounts(job)[str(options_of(job, dockerfile).repository)]
    served = mounts(server)[str(options_of(server, dockerfile).repository)]
    assert written == ("repository", "rw")
    assert served == ("repository", "ro")


def test_each_waits_for_what_it_needs(compose):
    waits = {name: service.get("depends_on") for name, service in compose["services"].items()}
    assert waits == {
        "convert": None,
        "server": {"convert": {"condition": "service_completed_successfully"}},
        "envoy": {"server": {"condition": "service_healthy"}},
        "prometheus": None,
        "grafana": ["prometheus"],
    }


def test_the_job_converts_models_that_are_there_and_leaves_unchanged_ones_alone(compose, dockerfile, project):
    job = compose["services"]["convert"]
    options = options_of(job, dockerfile)
    folder, mode = mounts(job)["/models"]
    assert mode == "ro"
    assert options.to == ["onnx", "tflite"]
    assert options.skip_unchanged
    assert len(options.models) >= 4
    for model in options.models:
        path = PurePosixPath(model)
        assert path.parent == PurePosixPath("/models")
        assert (project / folder / path.name).is_file()


def test_a_model_and_a_format_are_enough_to_convert_one_more(compose, dockerfile):
    job = compose["services"]["convert"]
    options = options_of(job, dockerfile, ["/models/x.keras", "--to", "onnx"])
    assert str(options.repository) == options_of(job, dockerfile).repository.as_posix()
    assert [str(model) for model in options.models] == ["/models/x.keras"]
    assert options_of(compose["services"]["server"], dockerfile).model_control_mode == "poll"


def test_the_job_has_no_network(compose):
    assert compose["services"]["convert"]["network_mode"] == "none"


def test_everything_is_published_on_this_machine_alone_and_grpc_only_by_envoy(compose):
    published = {
        name: service["ports"] for name, service in compose["services"].items() if "ports" in service
    }
    assert published == {
        "envoy": ["127.0.0.1:8001:8001"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_two_servers_listen_where_the_image_says_and_envoy_and_prometheus_look(compose, dockerfile, project):
    server = compose["services"]["server"]
    options = options_of(server, dockerfile)
    envoy = yaml.safe_load((project / "deploy" / "envoy" / "envoy.yaml").read_text())
    prometheus = yaml.safe_load((project / "deploy" / "prometheus" / "prometheus.yml").read_text())
    resources = envoy["static_resources"]
    listening = {each["name"]: each["address"]["socket_address"] for each in resources["listeners"]}
    (group,) = resources["clusters"][0]["load_assignment"]["endpoints"]
    jobs = {job["job_name"]: job for job in prometheus["scrape_configs"]}
    (found,) = jobs["plainserve"]["dns_sd_configs"]
    assert server["deploy"] == {"replicas": 2}
    assert options.host == "0.0.0.0"  # noqa: S104  in a container: all that reaches it
    assert dockerfile.setting("server", "EXPOSE").split() == [str(options.port), str(options.metrics_port)]
    assert group["lb_endpoints"] == [
        {"endpoint": {"address": {"socket_address": {"address": "server", "port_value": options.port}}}}
    ]
    assert (found["names"], found["type"], found["port"]) == (["server"], "A", options.metrics_port)
    assert listening["grpc"] == {"address": "0.0.0.0", "port_value": 8001}  # noqa: S104  likewise
    assert jobs["envoy"]["static_configs"] == [{"targets": [f"envoy:{listening['metrics']['port_value']}"]}]
    assert (
        f"127.0.0.1/{listening['metrics']['port_value']}"
        in compose["services"]["envoy"]["healthcheck"]["test"][-1]
    )


def test_the_tls_variant_gives_envoy_the_other_configuration_and_its_certificate(compose, tls, project):
    config = yaml.safe_load((project / "deploy" / "envoy" / "envoy-tls.yaml").read_text())
    (chain,) = config["static_resources"]["listeners"][0]["filter_chains"]
    (certificate,) = chain["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificates"]
    plain, encrypted = mounts(compose["services"]["envoy"]), mounts(tls["services"]["envoy"])
    (place,) = plain
    assert compose["services"]["envoy"]["command"][:2] == ["--config-path", place]
    assert encrypted[place] == ("./deploy/envoy/envoy-tls.yaml", "ro")
    (folder,) = set(encrypted) - {place}
    assert {PurePosixPath(part["filename"]).parent for part in certificate.values()} == {
        PurePosixPath(folder)
    }


def test_envoy_may_use_more_memory_than_it_gives_itself(compose, project):
    config = yaml.safe_load((project / "deploy" / "envoy" / "envoy.yaml").read_text())
    heap = config["overload_manager"]["resource_monitors"][0]["typed_config"]["max_heap_size_bytes"]
    limit = compose["services"]["envoy"]["mem_limit"]
    assert heap == 0.75 * int(limit.removesuffix("m")) * 2**20


def test_the_health_check_is_that_of_the_image_and_asks_the_port_served(compose, dockerfile):
    server = compose["services"]["server"]
    timing, _, command = dockerfile.setting("server", "HEALTHCHECK").partition(" CMD ")
    described = dict(word.removeprefix("--").split("=") for word in shlex.split(timing))
    check = server["healthcheck"]
    assert command == '["plainserve", "health"]'
    assert check["test"] == ["CMD", "plainserve", "health"]
    assert {
        name.replace("_", "-"): str(value) for name, value in check.items() if name != "test"
    } == described
    options = serving.cli.parser().parse_args(check["test"][2:])
    assert options.server == f"127.0.0.1:{options_of(server, dockerfile).port}"
    assert options.timeout < seconds(check["timeout"])


def test_a_server_that_stops_is_noticed_before_it_refuses_and_has_time_to_answer(
    compose, dockerfile, project
):
    server = compose["services"]["server"]
    options = options_of(server, dockerfile)
    envoy = yaml.safe_load((project / "deploy" / "envoy" / "envoy.yaml").read_text())
    (check,) = envoy["static_resources"]["clusters"][0]["health_checks"]
    assert seconds(check["interval"]) + seconds(check["timeout"]) < options.lame_duck_seconds
    assert seconds(server["stop_grace_period"]) > options.lame_duck_seconds + options.drain_seconds


@pytest.mark.parametrize("command", [["serve"], ["srve", "/models"], ["serve", "/models", "--porte", "1"]])
def test_a_wrong_server_command_would_be_noticed(command, capsys):
    with pytest.raises(SystemExit) as caught:
        serving.cli.parser().parse_args(command)
    assert caught.value.code == 2
    assert "usage: plainserve" in capsys.readouterr().err
