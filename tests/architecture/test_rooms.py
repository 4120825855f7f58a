"""Which room of a program may import which: the arrows that docs/architecture.md draws, read from the source."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SERVING = {
    "commands": "access client endpoint server trial_load transport workers",
    "workers": "metrics repository runtimes trial_load server transport",
    "server": "access dataplane flow_control metrics repository services transport",
    "services": "dataplane flow_control repository runtimes transport",
    "flow_control": "dataplane metrics runtimes transport",
    "access": "transport",
    "transport": "",
    "metrics": "dataplane repository",
    "dataplane": "repository runtimes scheduler",
    "scheduler": "repository runtimes",
    "trial_load": "repository runtimes",
    "repository": "runtimes",
    "runtimes": "",
    "client": "endpoint",
    "endpoint": "",
}
"""The folders of the server, from the top; each imports those named, and the files that belong to no folder."""

CONVERTER = {
    "command": "archive description exporters folding lowering parity process publishing",
    "publishing": "archive artefacts exporters lowering parity process",
    "row_independence": "activations artefacts building description parity",
    "parity": "activations artefacts building description exporters lowering",
    "folding": "archive lowering",
    "lowering": "activations description",
    "building": "activations archive description exporters lambdas layers",
    "artefacts": "exporters process",
    "exporters": "process",
    "process": "",
    "layers": "lambdas",
    "description": "activations archive lambdas",
    "activations": "archive lambdas",
    "lambdas": "",
    "archive": "",
}
"""Likewise of the converter."""

PROGRAMS = {"converter": CONVERTER, "serving": SERVING}

GRPC = {"grpc", "grpc_health", "grpc_reflection"}

KNOW_GRPC = {
    "serving/client": GRPC,
    "serving/commands": GRPC,
    "serving/endpoint": GRPC,
    "serving/transport/grpcio": GRPC,
    # The messages of packages, not what carries them.
    "serving/services/health.py": {"grpc_health"},
    "serving/services/reflection.py": {"grpc_health", "grpc_reflection"},
}
"""Who may import what of gRPC."""

KNOW_PROTOBUF = ("client", "server", "services")
"""The folders that may import protobuf and the generated messages."""


def sources(program):
    return sorted(file for file in (ROOT / program).rglob("*.py") if "__pycache__" not in file.parts)


ALL = [file for program in PROGRAMS for file in sources(program)]


def imported(path):
    """The modules that a file imports, anywhere in it; of ``from x import y`` also x.y."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name(path):
    return path.relative_to(ROOT).as_posix()


def room(path):
    """The folder of a program that a file is in; empty for its own files."""
    parts = path.relative_to(ROOT).parts
    return parts[1] if len(parts) > 2 else ""


def within(path, folder):
    return name(path) == folder or name(path).startswith(f"{folder}/")


@pytest.mark.parametrize("path", [path for path in ALL if room(path)], ids=name)
def test_a_room_imports_only_rooms_below_it(path):
    program = path.relative_to(ROOT).parts[0]
    rooms = PROGRAMS[program]
    found = {each.split(".")[1] for each in imported(path) if each.startswith(f"{program}.")} & rooms.keys()
    assert found <= {room(path), *rooms[room(path)].split()}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_room_stands_in_the_table_and_on_the_page(program):
    rooms = PROGRAMS[program]
    assert {room(path) for path in sources(program)} - {""} == rooms.keys()
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert [each for each in rooms if f"`{each}`" not in page] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_arrow_of_the_table_is_used(program):
    for each, below in PROGRAMS[program].items():
        found = {
            module.split(".")[1]
            for path in sources(program)
            if room(path) == each
            for module in imported(path)
            if module.startswith(f"{program}.")
        }
        assert set(below.split()) <= found, each


def arrows(program):
    """Which modules of a program import which; the program's own ``__init__``, which imports lazily, is left out."""
    modules = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
        for path in sources(program)
    }
    del modules[program]
    graph = {}
    for module, path in modules.items():
        named = {each if each in modules else each.rpartition(".")[0] for each in imported(path)}
        graph[module] = named & modules.keys() - {module}
    return graph


@pytest.mark.parametrize("program", PROGRAMS)
def test_files_import_each_other_in_no_circle(program):
    TopologicalSorter(arrows(program)).prepare()


@pytest.mark.parametrize("program", PROGRAMS)
def test_rooms_and_the_files_beside_them_import_each_other_in_no_circle(program):
    graph = {}
    for module, named in arrows(program).items():
        own = module.split(".")[1]
        graph.setdefault(own, set()).update({each.split(".")[1] for each in named} - {own})
    assert len(graph) > 10
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("path", sources("serving"), ids=name)
def test_serving_never_imports_the_converter_or_keras(path):
    tops = {each.partition(".")[0] for each in imported(path)}
    assert not tops & {"converter", "keras", "tf_keras"}


@pytest.mark.parametrize("path", sources("serving"), ids=name)
def test_only_the_saved_model_runtime_imports_tensorflow(path):
    tops = {each.partition(".")[0] for each in imported(path)}
    assert "tensorflow" not in tops or name(path) == "serving/runtimes/saved_model.py"


@pytest.mark.parametrize("path", sources("serving"), ids=name)
def test_grpc_is_known_behind_the_transport_and_by_clients_alone(path):
    allowed = {each for folder, names in KNOW_GRPC.items() if within(path, folder) for each in names}
    assert {each.partition(".")[0] for each in imported(path)} & GRPC <= allowed


@pytest.mark.parametrize(
    "path", [path for path in sources("serving") if room(path) not in KNOW_PROTOBUF], ids=name
)
def test_below_the_services_nobody_knows_of_protobuf(path):
    assert not {each.partition(".")[0] for each in imported(path)} & {"google", "protos"}


def test_the_arrows_are_checked_on_real_imports():
    found = set(imported(ROOT / "serving" / "services" / "open_inference" / "inference_service.py"))
    assert "serving.dataplane.dataplane.DataPlane" in found
    assert "protos.open_inference_pb2" in found
