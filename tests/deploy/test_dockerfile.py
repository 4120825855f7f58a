"""The Dockerfile against the promises of docs/deployment.md, without a container engine."""

import re
import shlex
from fnmatch import fnmatch

import pytest

IMAGES = ["server", "server-tensorflow", "converter"]
INDEX_OPTION = re.compile(r"--(extra-)?index-url|--find-links|--trusted-host|\bpip\b.*\s-[if]\s")
ADDRESS = re.compile(r"\w+://")
PIN = re.compile(r"(?m)^([\w.\[\]-]+)==([^\s;\\]+)")


def lock_file(project, name):
    return (project / "requirements" / name).read_text()


def locks_of(stage):
    """Names of the lock files that a stage copies."""
    words = [word for value in stage.values("COPY") for word in shlex.split(value)]
    return {word.removeprefix("requirements/") for word in words if word.startswith("requirements/")}


def sources(dockerfile, target):
    """Stages whose files are in an image: those it copies from, and those they stand on or copy from."""
    found, open_ends = set(), [target]
    while open_ends:
        name = open_ends.pop()
        if name in found or name not in dockerfile.stages:
            continue
        found.add(name)
        stage = dockerfile.stages[name]
        open_ends += [stage.parent, *re.findall(r"--from=(\S+)", " ".join(stage.values("COPY")))]
    return [dockerfile.stages[name] for name in found]


@pytest.fixture(params=IMAGES)
def image(request):
    return request.param


def test_the_server_is_the_image_that_a_build_without_a_target_makes(dockerfile):
    assert list(dockerfile.stages)[-1] == "server"


def test_every_stage_stands_on_the_given_base(dockerfile, image):
    assert [stage.parent for stage in dockerfile.lineage(image)][-1] == "${BASE}"
    assert {stage.parent for stage in dockerfile.stages.values()} <= {"${BASE}", *dockerfile.stages}


def test_the_base_has_a_version_of_its_own(dockerfile):
    name, _, tag = dockerfile.arguments["BASE"].partition(":")
    assert name
    assert tag.startswith("3.11")


def test_the_images_run_as_a_user_by_number_who_is_not_root(dockerfile, image):
    user, group = dockerfile.setting(image, "USER").split(":")
    assert int(user) >= 10000
    assert user == group


def test_the_account_in_the_image_has_the_number_that_the_image_runs_as(dockerfile, image):
    entries = re.findall(r"plainserve:x:(\d+):", " ".join(dockerfile.stages["tools"].values("RUN")))
    assert [f"{entry}:{entry}" for entry in entries] == [dockerfile.setting(image, "USER")] * 2


def test_no_command_runs_in_the_stages_that_become_images(dockerfile, image):
    assert [stage.name for stage in dockerfile.lineage(image) if stage.values("RUN")] == []


def test_the_entry_points_are_commands_of_the_package(dockerfile, image, scripts):
    (command,) = dockerfile.command(image, "ENTRYPOINT")
    assert command in scripts


def test_pip_installs_only_what_a_hash_or_this_tree_vouches_for(dockerfile):
    installs = [
        command
        for stage in dockerfile.stages.values()
        for run in stage.values("RUN")
        for command in re.split(r"&&|\s{2,}/tools", run)
        if re.search(r"pip\b.* (install|wheel)\b", command)
    ]
    assert len(installs) == 2 + len(IMAGES) + len(["server", "server-tensorflow"])
    for command in installs:
        assert "--require-hashes -r" in command or "--no-deps" in command


def test_where_pip_asks_an_index_it_has_the_builders_settings(dockerfile):
    asking = [
        run for stage in dockerfile.stages.values() for run in stage.values("RUN") if "require-hashes" in run
    ]
    assert len(asking) == 1 + len(IMAGES)
    for run in asking:
        assert run.startswith("--mount=type=secret,id=pip.conf,target=/etc/pip.conf ")


def test_an_image_is_made_from_its_own_lock_file(dockerfile, image):
    before = {"server-tensorflow.txt"} if image == "converter" else set()
    copied = set.union(*map(locks_of, sources(dockerfile, image)))
    assert copied == {f"{image}.txt", "build.txt"} | before


def test_the_converter_has_nothing_that_its_own_lock_file_does_not_pin(project):
    before, own = (
        set(PIN.findall(lock_file(project, f"{name}.txt"))) for name in ("server-tensorflow", "converter")
    )
    assert before < own


def test_both_servers_are_started_and_checked_alike(dockerfile):
    for keyword in ("ENTRYPOINT", "CMD", "HEALTHCHECK", "EXPOSE", "USER", "WORKDIR"):
        assert dockerfile.setting("server", keyword) == dockerfile.setting("server-tensorflow", keyword)
        assert dockerfile.setting("server", keyword)


def test_the_servers_lock_file_has_no_tensorflow_and_no_keras(project):
    pinned = {name.lower() for name, _ in PIN.findall(lock_file(project, "server.txt"))}
    assert {"onnxruntime", "grpcio", "numpy"} <= pinned
    assert not pinned & {"tensorflow", "tensorflow-cpu", "keras", "h5py", "onnx", "tf2onnx"}


def test_the_server_for_saved_models_has_what_the_other_has_and_tensorflow(project):
    small, large = (
        {name.lower() for name, _ in PIN.findall(lock_file(project, f"{name}.txt"))}
        for name in ("server", "server-tensorflow")
    )
    assert small | {"tensorflow"} <= large
    assert "tf2onnx" not in large


@pytest.mark.parametrize("name", ["server.txt", "server-tensorflow.txt", "converter.txt", "build.txt"])
def test_a_lock_file_pins_what_was_tested_by_hash(project, name):
    text = lock_file(project, name)
    tested = set(PIN.findall(lock_file(project, "dev.txt")))
    entries = re.split(r"\n(?=\S)", text.strip())
    assert set(PIN.findall(text)) <= tested
    assert len(PIN.findall(text)) == len(entries)
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize(
    "path",
    [
        "Dockerfile",
        "docker-compose.yml",
        "deploy/test-image",
        "deploy/image/stand-in-base",
        "requirements/server.txt",
        "requirements/server-tensorflow.txt",
        "requirements/converter.txt",
        "requirements/build.txt",
    ],
)
def test_nothing_says_where_to_download_from(project, path):
    text = (project / path).read_text()
    assert ADDRESS.search(text) is None
    assert INDEX_OPTION.search(text) is None


@pytest.mark.parametrize("line", ["--extra-index-url x", "pip install -i x", "--find-links=y", "a https://b"])
def test_the_search_for_addresses_finds_them(line):
    assert ADDRESS.search(line) or INDEX_OPTION.search(line)


@pytest.mark.parametrize("path", ["Dockerfile", "docker-compose.yml"])
def test_no_image_is_called_latest(project, path):
    assert "latest" not in (project / path).read_text()


def test_what_is_copied_is_there_and_is_sent_to_the_build(project, dockerfile):
    ignored = [
        line for line in (project / ".dockerignore").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    sent = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    copied = {
        source
        for stage in dockerfile.stages.values()
        for value in stage.values("COPY")
        if "--from=" not in value
        for source in shlex.split(value)[:-1]
    }
    assert ignored[0] == "*"
    assert {"converter", "serving", "protos", "pyproject.toml"} <= copied
    for source in copied:
        assert (project / source).exists()
        assert any(fnmatch(source, pattern) for pattern in sent)


def test_the_models_and_tests_stay_out_of_the_build(project):
    assert not {"!models", "!tests", "!.git"} & set((project / ".dockerignore").read_text().splitlines())
