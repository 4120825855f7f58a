"""A Ray cluster of two nodes on this machine, as its owner would start it, with the shipped application on it."""

import contextlib
import copy
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton
import yaml
from free_ports import free_port
from patience import PATIENCE
from tritonclient.utils import InferenceServerException

START_NODE = Path(__file__).with_name("start_node.py")
HEAD, WORKER = "127.0.0.2", "127.0.0.3"
OBJECT_STORE = 100_000_000
AGENTS = ("dashboard-agent-listen", "dashboard-agent-grpc", "metrics-export", "runtime-env-agent")
WAITS = "dynamic_batching { max_queue_delay_microseconds: %d %s }"


def family(process):
    """A process and all below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def kill(processes):
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(processes, timeout=PATIENCE)


class Cluster:
    """The processes of two nodes, each kept by its id; the folder of all that Ray writes."""

    def __init__(self, root, bin_folder, folder):
        self.bin = bin_folder
        self.folder = folder
        self.nodes = {}
        self.seen = {}
        self.port = None
        self.gcs, self.client_port, self.worker_port, self.worker_http = (free_port() for _ in range(4))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "PYTHONPATH": f"{root}:{root / 'deploy' / 'ray'}",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": str(folder),
            # Ray keeps a token there, and would use one that another cluster has left.
            "HOME": str(folder),
            # A proxy prefers replicas of its own node; here the other node's are to have their share.
            "RAY_SERVE_PROXY_PREFER_LOCAL_NODE_ROUTING": "0",
            # A proxy that needs longer to start, on a machine that is busy, is not to be replaced meanwhile.
            "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": str(PATIENCE),
            "RAY_agent_register_timeout_ms": str(1000 * PATIENCE),
            "RAY_worker_register_timeout_seconds": str(PATIENCE),
            "RAY_raylet_start_wait_time_s": str(PATIENCE),
            # Two nodes on one machine, two ports.
            "RAY_SERVE_WORKER_PROXY_GRPC_PORT": str(self.worker_port),
            "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(self.worker_http),
        }

    def start_node(self, name, *options):
        log = self.folder / f"{name}.log"
        command = [self.bin / "python", START_NODE, "start", "--block"]
        command += [f"--object-store-memory={OBJECT_STORE}"]
        command += ["--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0", *options]
        # An agent that chooses a port itself has 15 s to do so, and the node ends if it needs longer.
        command += [f"--{agent}-port={free_port()}" for agent in AGENTS]
        with log.open("w") as output:
            self.nodes[name] = subprocess.Popen(
                command, stdout=output, stderr=output, env=self.environment, cwd=self.folder
            )
        self.wait_for(lambda: "Ray runtime started" in log.read_text(), log)

    def start(self):
        self.start_node(
            "head",
            "--head",
            f"--node-ip-address={HEAD}",
            f"--port={self.gcs}",
            "--num-cpus=3",
            "--include-dashboard=false",
            "--include-log-monitor=false",
            f"--temp-dir={self.folder}",
            f"--ray-client-server-port={self.client_port}",
        )
        address = f"{HEAD}:{self.gcs}"
        self.start_node("worker", f"--address={address}", f"--node-ip-address={WORKER}", "--num-cpus=2")

    def deploy(self, config):
        """Deploy a config and wait until each node has a replica and a proxy that is ready."""
        self.port = config["grpc_options"]["port"]
        file, log = self.folder / "serve.yaml", self.folder / "serve.log"
        file.write_text(yaml.safe_dump(config))
        command = [self.bin / "serve", "run", "--non-blocking", f"--address={HEAD}:{self.gcs}", file]
        # Ray gives proxies a minute to start; the next go finds what the first has started.
        for _ in range(3):
            with log.open("w") as output:
                done = subprocess.run(
                    command, stdout=output, stderr=output, env=self.environment, check=False, cwd=self.folder
                )
            if not done.returncode:
                break
        else:
            pytest.fail(f"'serve run' ended with {done.returncode}:\n{log.read_text()}")
        self.wait_for(lambda: len(self.replicas("head")) and len(self.replicas("worker")), log)
        self.wait_for(lambda: self.ready(self.port) and self.ready(self.worker_port), log)

    def ready(self, port):
        with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
            try:
                return client.is_server_ready(client_timeout=20)  # it is asked again
            except InferenceServerException:
                return False

    def processes(self, node):
        try:
            found = family(psutil.Process(self.nodes[node].pid))
        except psutil.NoSuchProcess:
            return []
        self.seen.update({each.pid: each for each in found})
        return found

    def replicas(self, node):
        """The process ids of a node's replicas."""
        found = set()
        for each in self.processes(node):
            with contextlib.suppress(psutil.Error, IndexError):
                # The title goes on with what the replica does at the moment.
                if each.cmdline()[0].startswith("ray::ServeReplica:plainserve:Replica"):
                    found.add(each.pid)
        return found

    def kill_node(self, node):
        """As a power cut does: all of its processes at once."""
        kill(self.processes(node))
        self.nodes.pop(node).wait(PATIENCE)

    def wait_for(self, condition, log):
        end = time.monotonic() + PATIENCE
        while not condition():
            for name in self.nodes:
                self.processes(name)  # they are remembered, should one end and leave them behind
            dead = [name for name, process in self.nodes.items() if process.poll() is not None]
            if dead or time.monotonic() > end:
                pytest.fail(f"Ray did not get there (ended: {dead}):\n{log.read_text()}")
            time.sleep(0.1)

    def stop(self):
        for node in list(self.nodes):
            self.kill_node(node)
        kill(list(self.seen.values()))


@pytest.fixture(scope="session")
def ray_bin(root):
    folder = root / ".venv-ray" / "bin"
    if not (folder / "serve").exists():
        pytest.fail(".venv-ray is missing: run 'make ray', which installs requirements/ray.txt")
    return folder


@pytest.fixture(scope="module")
def conversion(models, tmp_path_factory):
    """A model on its way into a repository, while the nodes start."""
    folder = tmp_path_factory.mktemp("ray-repository")
    command = [sys.executable, "-m", "converter", models / "mnist_pss.keras", "--repository", folder]
    command += ["--to", "onnx", "--to", "tflite"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        yield process, folder


@pytest.fixture(scope="module")
def repository(conversion):
    """A model in two formats, and more that keep a request for seconds."""
    process, folder = conversion
    output, _ = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 0, output
    for name, microseconds, policy in (
        ("slow", 2_000_000, ""),
        ("slowest", 30_000_000, ""),
        ("narrow", 2_000_000, "default_queue_policy { max_queue_size: 1 }"),
    ):
        (folder / name / "1").mkdir(parents=True)
        shutil.copy(folder / "mnist_pss_onnx" / "1" / "model.onnx", folder / name / "1")
        (folder / name / "config.pbtxt").write_text(WAITS % (microseconds, policy))
    return folder


@pytest.fixture(scope="module")
def golden(repository):
    """The recorded request and its answer, by model."""
    return {
        name: dict(np.load(repository / name / "1" / "golden.npz"))
        for name in ("mnist_pss_onnx", "mnist_pss_tflite")
    }


@pytest.fixture(scope="module")
def shipped(root):
    """The config that users deploy."""
    return yaml.safe_load((root / "deploy" / "ray" / "serve.yaml").read_text())


@pytest.fixture(scope="module")
def config(shipped, repository):
    """Likewise, with this machine's paths and with numbers small enough to be reached."""
    made = copy.deepcopy(shipped)
    made["grpc_options"]["port"], made["http_options"]["port"] = free_port(), free_port()
    application = made["applications"][0]
    application["args"]["repository"] = str(repository)
    deployment = application["deployments"][0]
    deployment |= {"max_ongoing_requests": 8, "max_queued_requests": 16}
    deployment["autoscaling_config"] |= {
        "max_replicas": 3,
        "target_ongoing_requests": 1,
        "upscale_delay_s": 1,
        "look_back_period_s": 2,
        "metrics_interval_s": 0.5,
    }
    return made


@pytest.fixture(scope="module")
def nodes(root, ray_bin, conversion):  # noqa: ARG001  begun before the nodes, which take longer
    """Two nodes that run nothing yet."""
    # Short: the paths of Unix sockets are limited to 107 bytes, and Ray adds sixty.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    made = Cluster(root, ray_bin, folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster(nodes, config):
    nodes.deploy(config)
    return nodes


@pytest.fixture
def running(root, cluster):
    """Asks Ray how many replicas can answer."""
    command = [
        cluster.bin / "python",
        root / "tests" / "deploy" / "ray" / "watch.py",
        f"{HEAD}:{cluster.gcs}",
    ]
    counts = [0]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=cluster.environment, text=True
    ) as process:

        def read():
            counts.extend(int(line.split()[1]) for line in process.stdout if line.startswith("running "))

        reader = threading.Thread(target=read)
        reader.start()
        yield lambda: counts[-1]
        process.kill()
        reader.join()
