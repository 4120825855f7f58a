"""docker-compose.yml against the Dockerfile, the commands and the files that it speaks of."""

import shlex
from pathlib import PurePosixPath

import pytest

import converter.cli
import serving.cli

PARSERS = {"convert": converter.cli.parser, "plainserve": serving.cli.parser}
SERVICES = ["convert", "server"]


@pytest.fixture(params=SERVICES)
def service(request, compose):
    return compose["services"][request.param]


def target_of(service):
    return service["build"]["target"]


def mounts(service):
    """(source, mode) by the path in the container."""
    words = [volume.split(":") for volume in service["volumes"]]
    return {target: (source, mode[0] if mode else "rw") for source, target, *mode in words}


def options_of(service, dockerfile):
    """What the command line of a service's container parses to."""
    (command,) = dockerfile.command(target_of(service), "ENTRYPOINT")
    return PARSERS[command]().parse_args(service["command"])


def seconds(text):
    assert text.endswith("s")
    return int(text.removesuffix("s"))


def test_the_services_are_built_from_targets_of_the_dockerfile(compose, dockerfile):
    assert list(compose["services"]) == SERVICES
    assert {target_of(service) for service in compose["services"].values()} <= set(dockerfile.stages)


def test_a_service_can_change_nothing_but_its_volumes(service):
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108  the container's own


def test_a_service_runs_as_the_images_user(service):
    assert "user" not in service
    assert "privileged" not in service


def test_the_volume_is_mounted_over_folders_of_the_user_of_both_images(compose, dockerfile):
    owners = set()
    for service in compose["services"].values():
        target = target_of(service)
        (folder,) = [path for path, (source, _) in mounts(service).items() if source == "repository"]
        owners.add(dockerfile.folders(target)[folder])
        owners.add(dockerfile.setting(target, "USER"))
    assert compose["volumes"] == {"repository": None}
    assert len(owners) == 1


def test_the_server_serves_what_the_job_writes_and_cannot_write_it(compose, dockerfile):
    job, server = (compose["services"][name] for name in SERVICES)
    written = mounts(job)[str(options_of(job, dockerfile).repository)]
    served = mounts(server)[str(options_of(server, dockerfile).repository)]
    assert written == ("repository", "rw")
    assert served == ("repository", "ro")


def test_the_server_waits_until_the_job_has_succeeded(compose):
    waits = compose["services"]["server"]["depends_on"]
    assert waits == {"convert": {"condition": "service_completed_successfully"}}


def test_the_job_converts_models_that_are_there(compose, dockerfile, project):
    job = compose["services"]["convert"]
    options = options_of(job, dockerfile)
    folder, mode = mounts(job)["/models"]
    assert mode == "ro"
    assert options.to == ["onnx", "tflite"]
    assert len(options.models) >= 4
    for model in options.models:
        path = PurePosixPath(model)
        assert path.parent == PurePosixPath("/models")
        assert (project / folder / path.name).is_file()


def test_the_job_has_no_network(compose):
    assert compose["services"]["convert"]["network_mode"] == "none"


def test_the_server_is_published_on_this_machine_alone_at_the_port_it_listens_on(compose, dockerfile):
    server = compose["services"]["server"]
    (published,) = server["ports"]
    host, _, inside = published.split(":")
    assert host == "127.0.0.1"
    assert inside == dockerfile.setting("server", "EXPOSE")
    assert int(inside) == options_of(server, dockerfile).port


def test_the_servers_command_is_that_of_the_image(compose, dockerfile):
    server = compose["services"]["server"]
    assert server["command"] == dockerfile.command("server", "CMD")
    assert options_of(server, dockerfile).host == "0.0.0.0"  # noqa: S104  in a container: all that reaches it


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


def test_the_server_has_longer_to_stop_than_it_takes_to_answer(compose, dockerfile):
    server = compose["services"]["server"]
    assert seconds(server["stop_grace_period"]) > options_of(server, dockerfile).drain_seconds


@pytest.mark.parametrize("command", [["serve"], ["srve", "/models"], ["serve", "/models", "--porte", "1"]])
def test_a_wrong_server_command_would_be_noticed(command, capsys):
    with pytest.raises(SystemExit) as caught:
        serving.cli.parser().parse_args(command)
    assert caught.value.code == 2
    assert "usage: plainserve" in capsys.readouterr().err
