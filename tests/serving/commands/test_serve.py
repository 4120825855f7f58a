import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.cli import main
from serving.transport.listen_address import is_loopback

pytestmark = pytest.mark.slow

LIST_MODULES_AT_EXIT = """
import sys
from serving.cli import main
code = main()
print("\\n".join(sys.modules))
sys.exit(code)
"""


@pytest.fixture
def count(count_to):
    """Lets the model ``counter`` count; it takes a few microseconds a step."""

    def count(stub, steps):
        response = stub.ModelInfer(count_to(steps), timeout=PATIENCE)
        return np.frombuffer(response.raw_output_contents[0], np.int64).tolist()

    return count


def test_it_prints_one_line_and_ends_with_zero(repository, onnx_models, start_server, frontend):
    repository.onnx("affine", onnx_models.affine())
    server = start_server(repository.root)
    line = rf"Serving 1 model \({frontend.name} front end\) on 127\.0\.0\.1:[1-9]\d*"
    assert re.fullmatch(line, server.line)
    server.terminate()
    assert server.wait() == (0, "", "")


def test_interrupt_ends_it_too(repository, onnx_models, start_server):
    repository.onnx("affine", onnx_models.affine())
    server = start_server(repository.root)
    server.terminate(signal.SIGINT)
    assert server.wait() == (0, "", "")


def test_a_bad_model_is_reported_and_the_others_are_served(full_repository, start_server):
    server = start_server(full_repository)
    assert server.line.startswith("Serving 7 models ")
    server.terminate()
    code, _, err = server.wait()
    assert code == 0
    assert "model 'bad' version 1 is not ready" in err


def test_a_server_never_imports_tensorflow_or_keras(full_repository, start_server):
    server = start_server(full_repository, code=LIST_MODULES_AT_EXIT)
    with grpc.insecure_channel(server.address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        for model in ("affine", "affine_lite"):
            request = pb.ModelInferRequest(model_name=model, raw_input_contents=[bytes(12)])
            request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
            assert stub.ModelInfer(request, timeout=PATIENCE).raw_output_contents
    server.terminate()
    code, out, _ = server.wait()
    modules = {line.partition(".")[0] for line in out.splitlines()}
    assert code == 0
    assert {"onnxruntime", "ai_edge_litert", "grpc", "serving"} <= modules
    assert not modules & {"tensorflow", "keras", "tf_keras", "converter", "onnx", "tritonclient"}


def test_terminating_answers_what_was_accepted_and_refuses_the_rest(
    repository, onnx_models, start_server, steps_lasting, count, traffic
):
    repository.onnx("counter", onnx_models.counter())
    server = start_server(repository.root, *traffic.options)
    with grpc.insecure_channel(server.address) as channel, ThreadPoolExecutor(4) as pool:
        stub = GRPCInferenceServiceStub(channel)
        assert count(stub, 3) == [3]
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        long = steps_lasting(1)
        running = [pool.submit(count, stub, long + at) for at in range(3)]
        traffic.wait_for(running=1, waiting=2)
        server.terminate()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert [each.result() for each in running] == [[long + at] for at in range(3)]
        assert server.wait()[0] == 0
        with pytest.raises(grpc.RpcError) as error:
            count(stub, 1)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE


def test_draining_ends_when_its_time_is_over(repository, onnx_models, start_server, count, traffic):
    repository.onnx("counter", onnx_models.counter())
    server = start_server(repository.root, "--drain-seconds", "1", *traffic.options)
    with grpc.insecure_channel(server.address) as channel, ThreadPoolExecutor(1) as pool:
        stub = GRPCInferenceServiceStub(channel)
        endless = pool.submit(count, stub, 10**12)
        traffic.wait_for(running=1)
        start = time.monotonic()
        server.terminate()
        code, _, err = server.wait()
        assert time.monotonic() - start > 0.5
        assert (code, err) == (1, "plainserve serve: ended before all that was accepted was answered\n")
        with pytest.raises(grpc.RpcError):
            endless.result()


def test_a_deadline_that_passes_in_the_queue_is_told(
    repository, onnx_models, start_server, steps_lasting, count_to, count, traffic
):
    repository.onnx("counter", onnx_models.counter())
    server = start_server(repository.root, *traffic.options)
    with grpc.insecure_channel(server.address) as channel, ThreadPoolExecutor(1) as pool:
        stub = GRPCInferenceServiceStub(channel)
        steps = steps_lasting(1.5)
        long = pool.submit(count, stub, steps)
        traffic.wait_for(running=1)
        with pytest.raises(grpc.RpcError) as error:
            stub.ModelInfer(count_to(1), timeout=0.05)
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert long.result() == [steps]
        assert count(stub, 5) == [5]


def test_a_request_above_the_size_limit_is_refused(repository, onnx_models, start_server):
    repository.onnx("affine", onnx_models.affine())
    server = start_server(repository.root, "--max-message-size", "1")
    with grpc.insecure_channel(server.address) as channel:
        request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(2 << 20)])
        with pytest.raises(grpc.RpcError) as error:
            GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=PATIENCE)
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_port_in_use_is_one_clear_line(full_repository, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", str(full_repository), "--port", str(port)]) == 6
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        f"plainserve serve: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "choose another with --host and --port"
    )


def test_a_port_for_metrics_in_use_is_one_clear_line(full_repository, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", str(full_repository), "--port", "0", "--metrics-port", str(port)]) == 6
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"plainserve serve: cannot listen on 127.0.0.1:{port} for metrics: Address already in use; "
        "choose another with --metrics-port, or off"
    )


def test_an_interrupt_before_it_serves_is_one_line(monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("serving.commands.serve.run", interrupted)
    assert main(["serve", "x"]) == 130
    assert capsys.readouterr() == ("", "plainserve: interrupted\n")


@pytest.mark.parametrize("name", ["none", "empty"])
def test_a_missing_or_empty_repository_is_one_clear_line(tmp_path, capsys, name):
    (tmp_path / "empty").mkdir()
    assert main(["serve", str(tmp_path / name), "--port", "0"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("plainserve serve: ")
    assert name in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"],
        ["serve", "x", "--port", "70000"],
        ["serve", "x", "--port", "http"],
        ["serve", "x", "--metrics-port", "on"],
        ["serve", "x", "--workers", "two"],
        ["serve", "x", "--lame-duck-seconds", "soon"],
        ["serve", "x", "--max-message-size", "0"],
        ["serve", "x", "--lame-duck-seconds", "-1"],
        ["serve", "x", "--lame-duck-seconds", "nan"],
        ["dance"],
        [],
    ],
)
def test_a_wrong_command_line_is_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "usage: plainserve" in error
    assert "invalid _" not in error  # what argparse makes of a function's name


def test_help_is_there_at_once_and_imports_no_library():
    code = "import sys; from serving.cli import parser; parser().format_help(); print(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=PATIENCE
    )
    tops = {name.partition(".")[0] for name in shown.stdout.split()}
    assert "argparse" in tops
    assert not tops & {"grpc", "google", "numpy", "onnxruntime", "ai_edge_litert", "rich"}


EVERYWHERE = "0.0.0.0"  # noqa: S104  in a test, for a second


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_everybody_can_use_says_so_once(repository, onnx_models, start_server, workers):
    repository.onnx("affine", onnx_models.affine())
    server = start_server(repository.root, "--host", EVERYWHERE, "--workers", workers)
    server.terminate()
    code, _, err = server.wait()
    assert code == 0
    (line,) = err.splitlines()
    assert line.startswith(f"WARNING: whoever can reach {EVERYWHERE} can use this server")
    assert "add --tls-certificate, --tls-key and --tokens, or listen with --host 127.0.0.1" in line


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_a_server_that_only_this_machine_can_reach_says_nothing(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "", "10.0.0.1", "localhost.example.org"])
def test_any_other_may_be_reached_by_others(host):
    assert not is_loopback(host)
