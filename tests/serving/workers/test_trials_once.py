"""Several processes serve what one of them tried."""

import grpc
import psutil
import pytest
from patience import PATIENCE, until

from protos import open_inference_pb2 as pb

pytestmark = pytest.mark.slow


def fork_servers(fleet):
    """The workers that have tried a model lately."""
    return [
        worker
        for worker in fleet.workers()
        if any(
            "serving.trial_load.fork_server" in each.cmdline() for each in psutil.Process(worker).children()
        )
    ]


def test_one_worker_tries_for_all(repository, onnx_models, start_fleet, ask):
    repository.onnx("affine", onnx_models.affine())
    fleet = start_fleet(repository.root, "--model-control-mode", "explicit", "--load-model", "affine")
    assert len(fork_servers(fleet)) == 1
    repository.onnx("other", onnx_models.affine())
    repository.onnx("bad", b"junk")
    with fleet.stubs() as found:
        for stub in found.values():
            stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="other"), timeout=PATIENCE)
            with pytest.raises(grpc.RpcError, match="failed to load 'bad', version 1: onnxruntime"):
                stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="bad"), timeout=PATIENCE)
        for stub in found.values():
            assert stub.ModelInfer(ask("other"), timeout=PATIENCE).raw_output_contents
    assert len(fork_servers(fleet)) == 1


def test_what_failed_and_was_mended_is_loaded_when_somebody_asks(repository, onnx_models, start_fleet, ask):
    repository.onnx("affine", onnx_models.affine())
    fleet = start_fleet(repository.root, "--model-control-mode", "explicit")
    load = pb.RepositoryModelLoadRequest(model_name="affine")
    file = repository.root / "affine" / "1" / "model.onnx"
    file.write_bytes(b"junk")
    with fleet.stubs() as found:
        (first, second) = found.values()
        with pytest.raises(grpc.RpcError, match="failed to load 'affine'"):
            first.RepositoryModelLoad(load, timeout=PATIENCE)
        file.write_bytes(onnx_models.affine())
        second.RepositoryModelLoad(load, timeout=PATIENCE)
        for stub in (first, second):
            assert stub.ModelInfer(ask(), timeout=PATIENCE).raw_output_contents


def test_what_takes_long_at_the_start_is_loading_at_all_of_them(repository, onnx_models, start_fleet, ask):
    repository.onnx("affine", onnx_models.affine())
    repository.onnx("endless", onnx_models.endless())
    # Longer than a start waits for a model that does not get on.
    fleet = start_fleet(repository.root, "--load-timeout", "45", "--drain-seconds", "2")

    def states():
        index = pb.RepositoryIndexRequest()
        with fleet.stubs() as found:
            answers = [stub.RepositoryIndex(index, timeout=PATIENCE).models for stub in found.values()]
        return [next(each.state for each in models if each.name == "endless") for models in answers]

    assert states() == ["LOADING", "LOADING"]
    with fleet.stubs() as found:
        for stub in found.values():
            assert stub.ModelInfer(ask(), timeout=PATIENCE).raw_output_contents
            assert not stub.ServerReady(pb.ServerReadyRequest(), timeout=PATIENCE).ready
    until(lambda: states() == ["UNAVAILABLE", "UNAVAILABLE"])
