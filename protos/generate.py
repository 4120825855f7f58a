"""Make the Python code for every .proto file in this folder: ``python protos/generate.py [--check]``.

For ``x.proto`` it writes ``x_pb2.py`` and ``x_pb2.pyi`` and, where the file has a service, ``x_pb2_grpc.py``
and ``x_pb2_grpc.pyi``. The messages are put into :data:`protos.pool.POOL` instead of protobuf's default pool.
The same .proto files and the same version of grpcio-tools give the same bytes.

Exit codes: 0 done, or nothing differs; 1 ``--check`` found a difference; 2 usage or an invalid .proto file.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "protos"

DEFAULT_POOL = "from google.protobuf import descriptor_pool as _descriptor_pool\n"
OUR_POOL = f"from {FOLDER}.pool import POOL as _POOL\n"

STUB_HEADER = """\
# Made by protos/generate.py. Do not edit.
# ruff: noqa: ANN401, E501, N802
# fmt: off
from collections.abc import {abstract}
from typing import Any

from {folder} import {module} as pb

"""
ABSTRACT = ("AsyncIterator", "Awaitable", "Callable", "Iterator")


def main() -> int:
    """Generate in place, or compare with what is there.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description="Generate the Python code of the wire contracts.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything would change")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as temporary:
        if not compile_into(Path(temporary)):
            return 2
        made = {path.name: path.read_bytes() for path in (Path(temporary) / FOLDER).iterdir()}
    there = {path.name: path.read_bytes() for path in (ROOT / FOLDER).glob("*_pb2*.py*")}
    stale = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
    if check and stale:
        print(f"{FOLDER}/: {', '.join(stale)} out of date; run 'make protos'", file=sys.stderr)  # noqa: T201  a tool
        return 1
    for name in stale:
        path = ROOT / FOLDER / name
        path.write_bytes(made[name]) if name in made else path.unlink()
    return 0


def compile_into(target: Path) -> bool:
    """Write everything generated below ``target``; False if protoc refuses a file (it says why on stderr)."""
    sources = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / FOLDER).glob("*.proto"))
    described = target / "descriptors"
    arguments = ["protoc", f"-I{ROOT}", f"-I{files('grpc_tools') / '_proto'}"]
    arguments += [f"--{kind}={target}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    if protoc.main([*arguments, f"--descriptor_set_out={described}", *sources]) != 0:
        return False
    for file in FileDescriptorSet.FromString(described.read_bytes()).file:
        stem = file.name.removesuffix(".proto")
        use_our_pool(target / f"{stem}_pb2.py")
        if file.service:
            body = "\n".join(line for service in file.service for line in service_types(service))
            used = ", ".join(name for name in ABSTRACT if re.search(rf"\b{name}\[", body))
            header = STUB_HEADER.format(abstract=used, folder=FOLDER, module=f"{Path(stem).name}_pb2")
            (target / f"{stem}_pb2_grpc.pyi").write_text(header + body.rstrip("\n") + "\n")
        else:
            (target / f"{stem}_pb2_grpc.py").unlink()
    return True


def use_our_pool(path: Path) -> None:
    """Make a generated module register its file in our pool.

    Raises:
        RuntimeError: The module does not look as expected; protoc has changed.
    """
    text = path.read_text()
    call = "_descriptor_pool.Default().AddSerializedFile("
    if text.count(DEFAULT_POOL) != 1 or text.count("_descriptor_pool.") != 1 or call not in text:
        raise RuntimeError(f"{path.name}: this version of protoc writes code that generate.py does not know")
    path.write_text(text.replace(DEFAULT_POOL, OUR_POOL).replace(call, "_POOL.AddSerializedFile("))


def service_types(service: ServiceDescriptorProto) -> Iterator[str]:
    """Lines of a type stub for a service: its client stub, its servicer, its registration."""
    yield f"class {service.name}Stub:"
    yield "    def __init__(self, channel: Any) -> None: ..."
    for method in service.method:
        yield f"    {method.name}: Callable[..., Any]"
    yield f"\nclass {service.name}Servicer:"
    for method in service.method:
        request, answer = request_type(method), answer_type(method)
        yield f"    def {method.name}(self, request: {request}, context: Any, /) -> {answer}: ..."
    register = f"add_{service.name}Servicer_to_server"
    yield f"\ndef {register}(servicer: {service.name}Servicer, server: Any) -> None: ...\n"


def request_type(method: MethodDescriptorProto) -> str:
    """A servicer method's argument; of a stream, Any: grpc and grpc.aio pass different iterators."""
    return "Any" if method.client_streaming else message_type(method.input_type)


def answer_type(method: MethodDescriptorProto) -> str:
    """What a servicer method returns: the answer or an iterator of them, or the asynchronous form of that."""
    answer = message_type(method.output_type)
    if method.server_streaming:
        return f"Iterator[{answer}] | AsyncIterator[{answer}]"
    return f"{answer} | Awaitable[{answer}]"


def message_type(full_name: str) -> str:
    """A message's name in the stub; it stands in the .proto file of its service."""
    return f"pb.{full_name.rpartition('.')[2]}"


if __name__ == "__main__":
    sys.exit(main())
