"""What a client asks of one worker is done by all, and what one tells holds for all."""

import os
import re
import signal
import urllib.request
import uuid
from pathlib import Path

import grpc
import pytest
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos import tensorflow_serving_pb2 as tf
from protos.tensorflow_serving_pb2_grpc import ModelServiceStub

pytestmark = pytest.mark.slow

OPTIONS = ("--model-control-mode", "explicit", "--load-model", "affine", "--allow-shared-memory")


@pytest.fixture(scope="module")
def fleet(full_repository, start_module_fleet):
    return start_module_fleet(full_repository, *OPTIONS, "--metrics-port", "0", "--log-level", "info")


@pytest.fixture(scope="module")
def metrics(fleet):
    """Read the metrics, each value by its name and labels."""
    address = re.search(r"metrics at (http://\S+)", fleet.server.process.stderr.readline())[1]

    def read():
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:  # noqa: S310  the server's own address
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}

    return read


@pytest.fixture
def stubs(fleet):
    with fleet.stubs() as found:
        assert len(found) == 2
        yield list(found.values())


@pytest.fixture
def region():
    path = Path("/dev/shm") / f"plainserve-test-{uuid.uuid4().hex}"  # noqa: S108  where shared memory is
    path.write_bytes(bytes(64))
    yield path.name
    path.unlink(missing_ok=True)


def ready(stub, model):
    return stub.ModelReady(pb.ModelReadyRequest(name=model), timeout=PATIENCE).ready


def status_of(call, request):
    with pytest.raises(grpc.RpcError) as error:
        call(request, timeout=PATIENCE)
    return error.value.code(), error.value.details()


def test_a_model_loaded_through_one_answers_at_the_other(stubs, ask):
    for one, other in (stubs, stubs[::-1]):
        with pytest.raises(grpc.RpcError):
            other.ModelInfer(ask("affine_lite"), timeout=PATIENCE)
        one.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="affine_lite"), timeout=PATIENCE)
        assert all(
            stub.ModelInfer(ask("affine_lite"), timeout=PATIENCE).raw_output_contents for stub in stubs
        )
        other.RepositoryModelUnload(
            pb.RepositoryModelUnloadRequest(model_name="affine_lite"), timeout=PATIENCE
        )
        assert status_of(one.ModelInfer, ask("affine_lite"))[0] is grpc.StatusCode.UNAVAILABLE
        assert not any(ready(stub, "affine_lite") for stub in stubs)


def test_a_load_that_fails_is_told_as_one_server_tells_it(stubs):
    answers = {
        status_of(stub.RepositoryModelLoad, pb.RepositoryModelLoadRequest(model_name=name))
        for stub in stubs
        for name in ("bad", "nowhere")
    }
    assert {code for code, _ in answers} == {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND}
    assert len(answers) == 2
    assert (
        grpc.StatusCode.NOT_FOUND,
        "failed to load 'nowhere': the repository holds no such model",
    ) in answers


def test_a_config_that_comes_with_a_load_holds_everywhere(stubs):
    request = pb.RepositoryModelLoadRequest(model_name="lookup")
    request.parameters["config"].string_param = '{"max_batch_size": 5}'
    stubs[0].RepositoryModelLoad(request, timeout=PATIENCE)
    configs = [
        stub.ModelConfig(pb.ModelConfigRequest(name="lookup"), timeout=PATIENCE).config for stub in stubs
    ]
    assert [each.max_batch_size for each in configs] == [5, 5]
    stubs[0].RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="lookup"), timeout=PATIENCE)


def test_statistics_are_those_of_all(stubs, ask):
    def counted(stub):
        request = pb.ModelStatisticsRequest(name="affine", version="2")
        (told,) = stub.ModelStatistics(request, timeout=PATIENCE).model_stats
        return told.inference_count, told.inference_stats.success.count

    before = counted(stubs[0])
    for stub, times in zip(stubs, (3, 4), strict=True):
        for _ in range(times):
            stub.ModelInfer(ask(), timeout=PATIENCE)
    assert [counted(stub) for stub in stubs] == [(before[0] + 7, before[1] + 7)] * 2


def test_metrics_are_those_of_all(stubs, ask, metrics):
    name = 'nv_inference_count{model="affine",version="2"}'
    method = 'grpc_service="inference.GRPCInferenceService",grpc_method="ModelInfer"'
    calls = f"grpc_server_started_total{{{method}}}"
    before = metrics()
    for stub, times in zip(stubs, (2, 5), strict=True):
        for _ in range(times):
            stub.ModelInfer(ask(), timeout=PATIENCE)
    after = metrics()
    assert after[name] - before[name] == 7
    assert after[calls] - before.get(calls, 0) == 7
    assert after["plainserve_workers"] == after["plainserve_workers_ready"] == 2


def test_a_region_of_shared_memory_is_known_to_all_or_to_none(stubs, region):
    def known():
        request = pb.SystemSharedMemoryStatusRequest()
        return [set(stub.SystemSharedMemoryStatus(request, timeout=PATIENCE).regions) for stub in stubs]

    register = pb.SystemSharedMemoryRegisterRequest(name="r", key=f"/{region}", offset=0, byte_size=64)
    stubs[0].SystemSharedMemoryRegister(register, timeout=PATIENCE)
    assert known() == [{"r"}, {"r"}]
    code, text = status_of(stubs[1].SystemSharedMemoryRegister, register)
    assert (code, text) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "the region 'r' is registered already; unregister it first",
    )
    stubs[1].SystemSharedMemoryUnregister(pb.SystemSharedMemoryUnregisterRequest(), timeout=PATIENCE)
    assert known() == [set(), set()]


def test_log_settings_are_those_of_all(stubs):
    request = pb.LogSettingsRequest()
    request.settings["log_verbose_level"].uint32_param = 1
    stubs[1].LogSettings(request, timeout=PATIENCE)

    def verbose(stub):
        told = stub.LogSettings(pb.LogSettingsRequest(), timeout=PATIENCE)
        return told.settings["log_verbose_level"].uint32_param

    assert [verbose(stub) for stub in stubs] == [1, 1]
    request.settings["log_verbose_level"].uint32_param = 0
    stubs[0].LogSettings(request, timeout=PATIENCE)
    assert [verbose(stub) for stub in stubs] == [0, 0]


def test_labels_given_through_one_are_understood_by_the_other(fleet):
    request = tf.ReloadConfigRequest()
    model = request.config.model_config_list.config.add(name="affine")
    model.version_labels["stable"] = 1
    status = tf.GetModelStatusRequest()
    status.model_spec.name, status.model_spec.version_label = "affine", "stable"
    with grpc.insecure_channel(fleet.address) as channel:
        ModelServiceStub(channel).HandleReloadConfigRequest(request, timeout=PATIENCE)
    for _ in range(6):
        with grpc.insecure_channel(
            fleet.address, [("grpc.use_local_subchannel_pool", 1)]
        ) as channel:  # some worker
            (told,) = ModelServiceStub(channel).GetModelStatus(status, timeout=PATIENCE).model_version_status
            assert told.version == 1


def test_a_worker_in_the_place_of_another_stands_as_that_one_did(fleet, region, ask, metrics):
    """Not in the state of the start: with what requests have loaded, taken back, registered and set since."""
    with fleet.stubs() as found:
        stub = next(iter(found.values()))
        load = pb.RepositoryModelLoadRequest(model_name="lookup")
        load.parameters["config"].string_param = '{"max_batch_size": 7}'
        stub.RepositoryModelLoad(load, timeout=PATIENCE)
        stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="simple"), timeout=PATIENCE)
        stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="simple"), timeout=PATIENCE)
        register = pb.SystemSharedMemoryRegisterRequest(name="kept", key=region, offset=8, byte_size=8)
        stub.SystemSharedMemoryRegister(register, timeout=PATIENCE)
        for each in found.values():
            each.ModelInfer(ask(), timeout=PATIENCE)
        statistics = pb.ModelStatisticsRequest(name="affine", version="2")
        before = stub.ModelStatistics(statistics, timeout=PATIENCE).model_stats[0].inference_count
        index = stub.RepositoryIndex(pb.RepositoryIndexRequest(), timeout=PATIENCE)
        gone, _ = found
    measured = metrics()
    os.kill(gone, signal.SIGKILL)
    (new,) = fleet.replacement(gone)
    with fleet.stubs() as found:
        stub = found[new]
        assert stub.ServerReady(pb.ServerReadyRequest(), timeout=PATIENCE).ready
        config = stub.ModelConfig(pb.ModelConfigRequest(name="lookup"), timeout=PATIENCE).config
        assert config.max_batch_size == 7
        assert stub.RepositoryIndex(pb.RepositoryIndexRequest(), timeout=PATIENCE) == index
        regions = stub.SystemSharedMemoryStatus(
            pb.SystemSharedMemoryStatusRequest(), timeout=PATIENCE
        ).regions
        assert [(each.name, each.offset, each.byte_size) for each in regions.values()] == [("kept", 8, 8)]
        after = stub.ModelStatistics(statistics, timeout=PATIENCE).model_stats[0].inference_count
        assert after == before, "what the worker that ended had done is counted on"
    counters = {name: value for name, value in measured.items() if "pending" not in name}
    now = metrics()
    assert all(now[name] >= value for name, value in counters.items())
    assert now["plainserve_workers_replaced_total"] == 1
