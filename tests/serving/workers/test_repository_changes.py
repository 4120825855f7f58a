"""The folder changes while several processes serve what lies in it."""

import os
import signal
import time

import grpc
import numpy as np
import pytest
from patience import PATIENCE, until

from protos import open_inference_pb2 as pb

pytestmark = pytest.mark.slow


def answers(fleet, ask):
    """What each worker answers to zeros: 1 for every model here, and the version that did."""
    with fleet.stubs() as found:
        return [stub.ModelInfer(ask(), timeout=PATIENCE).model_version for stub in found.values()]


def scales(fleet):
    """What each worker multiplies with."""
    request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[np.ones(3, np.float32).tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
    with fleet.stubs() as found:
        raw = [stub.ModelInfer(request, timeout=PATIENCE).raw_output_contents[0] for stub in found.values()]
    return [float(np.frombuffer(each, np.float32)[0]) - 1 for each in raw]


def test_a_new_version_is_served_by_all_once_the_folder_is_looked_at(
    repository, onnx_models, start_fleet, ask
):
    repository.onnx("affine", onnx_models.affine(1))
    fleet = start_fleet(repository.root, "--model-control-mode", "poll", "--repository-poll-secs", "0.3")
    assert answers(fleet, ask) == ["1", "1"]
    repository.onnx("affine", onnx_models.affine(2), 2)
    until(lambda: answers(fleet, ask) == ["2", "2"])
    (repository.root / "affine" / "2").rename(repository.root / ".away")
    until(lambda: answers(fleet, ask) == ["1", "1"])


def test_a_worker_in_the_place_of_another_does_not_serve_what_was_published_since(
    repository, onnx_models, start_fleet, ask
):
    repository.onnx("affine", onnx_models.affine(1))
    fleet = start_fleet(repository.root)
    repository.onnx("affine", onnx_models.affine(2), 2)
    (gone, _) = fleet.workers()
    os.kill(gone, signal.SIGKILL)
    fleet.replacement(gone)
    assert answers(fleet, ask) == ["1", "1"]


def test_if_files_were_overwritten_all_come_to_serve_what_is_left(repository, onnx_models, start_fleet):
    repository.onnx("affine", onnx_models.affine(2))
    fleet = start_fleet(repository.root)
    assert scales(fleet) == [2, 2]
    file = repository.root / "affine" / "1" / "model.onnx"
    file.write_bytes(onnx_models.affine(7))
    os.utime(file, (time.time() + 5,) * 2)
    assert scales(fleet) == [2, 2]
    (gone, _) = fleet.workers()
    os.kill(gone, signal.SIGKILL)
    fleet.replacement(gone)
    assert scales(fleet) == [7, 7]


def test_a_worker_that_cannot_serve_what_the_other_serves_lets_nobody_in(
    repository, onnx_models, start_fleet, ask, traffic
):
    repository.onnx("affine", onnx_models.affine(1))
    fleet = start_fleet(repository.root, *traffic.options)
    away = repository.root / ".away"
    (repository.root / "affine" / "1").rename(away)
    gone, stays = fleet.workers()
    os.kill(gone, signal.SIGKILL)
    until(lambda: fleet.workers() == [stays])
    for _ in range(30):
        with grpc.insecure_channel(fleet.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            assert call(ask().SerializeToString(), timeout=PATIENCE)
        time.sleep(0.05)
    until(lambda: traffic.total("plainserve_workers_replaced_total") > 1)  # the next one too
    away.rename(repository.root / "affine" / "1")
    fleet.replacement(gone)
    assert answers(fleet, ask) == ["1", "1"]
    fleet.server.terminate()
    code, _, err = fleet.server.wait()
    assert code == 0
    assert "worker 1 cannot serve model 'affine' version 1, which the other workers serve" in err


@pytest.mark.parametrize("mode", ["none", "poll"])
def test_a_model_that_cannot_be_loaded_leaves_all_unready_and_the_others_served(
    repository, onnx_models, start_fleet, ask, mode
):
    repository.onnx("affine", onnx_models.affine())
    repository.onnx("bad", b"junk")
    fleet = start_fleet(repository.root, "--model-control-mode", mode)
    with fleet.stubs() as found:
        for stub in found.values():
            assert not stub.ServerReady(pb.ServerReadyRequest(), timeout=PATIENCE).ready
            assert stub.ModelInfer(ask(), timeout=PATIENCE).raw_output_contents
    gone, _ = fleet.workers()
    os.kill(gone, signal.SIGKILL)
    (new,) = fleet.replacement(gone)
    with fleet.stubs() as found:
        assert not found[new].ServerReady(pb.ServerReadyRequest(), timeout=PATIENCE).ready
        assert found[new].ModelInfer(ask(), timeout=PATIENCE).raw_output_contents
