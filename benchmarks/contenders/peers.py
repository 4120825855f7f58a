"""Other model servers, each in an environment of its own (``make bench-peers`` installs them)."""

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.contenders.contender import Setting
from benchmarks.contenders.network import NetworkServer
from benchmarks.models import BATCHES
from benchmarks.ports import free_port
from benchmarks.processes import ROOT, Server, process
from benchmarks.workloads import SHAPES

PACKAGES = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
MLSERVER_BATCH = {"max_batch_size": 32, "max_batch_time": 0.001}


def contenders() -> Iterator[NetworkServer]:
    """Triton, KServe's Python server, MLServer and Ray Serve."""
    for title, name, start, tls in (
        ("Triton", "triton", _start_triton, True),
        ("KServe", "kserve", _start_kserve, False),
        ("MLServer", "mlserver", _start_mlserver, False),
        ("Ray Serve", "ray", _start_ray, False),
    ):
        yield NetworkServer(title, start, _missing(name), tls=tls, predict=False)


def _environment(name: str) -> Path:
    return ROOT / f".venv-{name}"


def _python(name: str) -> Path:
    return _environment(name) / "bin" / "python"


def _missing(name: str) -> Callable[[], str | None]:
    return lambda: None if _python(name).exists() else "is not installed: make bench-peers"


@contextmanager
def _start_triton(setting: Setting) -> Iterator[Server]:
    """Triton out of the package nvidia-pytriton, with its Python backend in the environment of that package."""
    installed = _environment("triton") / PACKAGES
    triton = installed / "pytriton" / "tritonserver"
    backends, models = setting.folder / "backends", setting.folder / "triton"
    shutil.copytree(triton / "backends" / "python", backends / "python")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(triton / "python_backend_stubs" / version / "triton_python_backend_stub", backends / "python")
    for name in setting.prepared.workload.models:
        _add_triton_model(models / name, name, setting)
    address = f"127.0.0.1:{free_port()}"
    command = [
        triton / "bin" / "tritonserver",
        f"--model-repository={models}",
        f"--backend-directory={backends}",
    ]
    command += ["--allow-http=false", "--allow-metrics=false", "--grpc-address=127.0.0.1"]
    command += [f"--grpc-port={address.rpartition(':')[2]}"]
    if tls := setting.certificate:
        command += ["--grpc-use-ssl=true", f"--grpc-server-cert={tls.chain}", f"--grpc-server-key={tls.key}"]
    libraries = (sysconfig.get_config_var("LIBDIR"), installed / "nvidia_pytriton.libs")
    paths = {
        "PYTHONHOME": sys.base_prefix,  # the backend embeds this Python
        "PYTHONPATH": os.pathsep.join(map(str, (installed, ROOT))),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
    }
    log = setting.folder / "log.txt"
    with process(*command, address=address, environment=paths, log=log, folder=setting.folder) as server:
        yield server


def _add_triton_model(folder: Path, name: str, setting: Setting) -> None:
    (folder / "1").mkdir(parents=True)
    shutil.copy(ROOT / "benchmarks" / "peers" / "triton_model.py", folder / "1" / "model.py")
    (folder / "repository.txt").write_text(str(setting.prepared.repository))
    shape = ", ".join(str(size) for size in SHAPES[name])
    (folder / "config.pbtxt").write_text(
        f'backend: "python"\n{BATCHES}'
        f'input [ {{ name: "x" data_type: TYPE_FP32 dims: [ {shape} ] }} ]\n'
        'output [ { name: "y" data_type: TYPE_FP32 dims: [ 10 ] } ]\n'
        "instance_group [ { kind: KIND_CPU } ]\n"
    )


def _start_kserve(setting: Setting) -> AbstractContextManager[Server]:
    grpc_port, http_port = free_port(), free_port()
    command = [_python("kserve"), "-m", "benchmarks.peers.kserve_server", setting.prepared.repository]
    command += [grpc_port, http_port, *setting.prepared.workload.models]
    log = setting.folder / "log.txt"
    return process(*command, address=f"127.0.0.1:{grpc_port}", log=log, folder=setting.folder)


def _start_mlserver(setting: Setting) -> AbstractContextManager[Server]:
    """MLServer in one process, as its documentation advises for small models, with its adaptive batching."""
    models, grpc_port = setting.folder / "mlserver", free_port()
    for name in setting.prepared.workload.models:
        (models / name).mkdir(parents=True)
        settings = {
            "name": name,
            "implementation": "benchmarks.peers.mlserver_runtime.OnnxRuntime",
            "parameters": {"uri": str(setting.prepared.repository)},
            **MLSERVER_BATCH,
        }
        (models / name / "model-settings.json").write_text(json.dumps(settings))
    options = {
        "host": "127.0.0.1",
        "grpc_port": grpc_port,
        "http_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 0,
        "grpc_max_message_length": np.iinfo(np.int32).max,
        "debug": False,
    }
    (models / "settings.json").write_text(json.dumps(options))
    command = [_environment("mlserver") / "bin" / "mlserver", "start", models]
    log = setting.folder / "log.txt"
    return process(*command, address=f"127.0.0.1:{grpc_port}", log=log, folder=setting.folder)


@contextmanager
def _start_ray(setting: Setting) -> Iterator[Server]:
    grpc_port, http_port = free_port(), free_port()
    command = [_python("ray"), "-m", "benchmarks.peers.ray_server", setting.prepared.repository]
    command += [grpc_port, http_port, setting.folder / "ray", *setting.prepared.workload.models]
    environment = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "HOME": str(setting.folder),  # it leaves a token there
    }
    log = setting.folder / "log.txt"
    with process(*command, environment=environment, log=log, folder=setting.folder) as server:
        yield server
