"""Versions come and go while requests are answered: none fails, and each answer is right for its version."""

import asyncio

import numpy as np
import pytest
from patience import PATIENCE
from tritonclient import grpc as triton
from tritonclient.grpc import aio as triton_aio
from tritonclient.utils import InferenceServerException

REQUESTS = 10_000
SWAPS = 20
CORRUPT = 11
"""After so many swaps a version comes that cannot be loaded."""


def publish(repository, content, version):
    """Put a version there at once, as publishers do."""
    staged = repository.root / "affine" / f".{version}"
    staged.mkdir()
    (staged / "model.onnx").write_bytes(content)
    staged.rename(repository.root / "affine" / str(version))


@pytest.mark.slow
def test_ten_thousand_requests_across_twenty_swaps_all_get_the_answer_of_their_version(
    repository, onnx_models, start_server
):
    repository.onnx("affine", onnx_models.affine(1), 1)
    server = start_server(
        repository.root, "--model-control-mode", "explicit", "--load-model", "affine", "--drain-seconds", "5"
    )
    answered, versions, swapped = 0, set(), asyncio.Event()

    async def ask(client):
        nonlocal answered
        x = triton.InferInput("x", [1, 3], "FP32")
        while answered < REQUESTS or not swapped.is_set():
            value = np.float32(answered % 977)
            x.set_data_from_numpy(np.full((1, 3), value, np.float32))
            result = await client.infer("affine", [x])
            version = int(result.get_response().model_version)
            # Version n multiplies by n and adds one.
            assert result.as_numpy("y").tolist() == [[version * value + 1] * 3]
            versions.add(version)
            answered += 1

    async def swap(client):
        for version in range(2, SWAPS + 2):
            while answered < REQUESTS * (version - 1) / (SWAPS + 1):  # noqa: ASYNC110  no event says how many there were
                await asyncio.sleep(0.001)
            publish(repository, onnx_models.affine(version), version)
            await client.load_model("affine")
            if version == CORRUPT:
                publish(repository, b"junk", 900)
                with pytest.raises(InferenceServerException, match="version 900: onnxruntime cannot load it"):
                    await client.load_model("affine")
                states = {each.version: each for each in (await client.get_model_repository_index()).models}
                assert (states[str(version)].state, states["900"].state) == ("READY", "UNAVAILABLE")
                assert "onnxruntime cannot load it" in states["900"].reason
                (repository.root / "affine" / "900").rename(repository.root / "affine" / ".900")
        swapped.set()

    async def both():
        async with triton_aio.InferenceServerClient(server.address) as client:
            async with asyncio.timeout(5 * PATIENCE), asyncio.TaskGroup() as group:
                group.create_task(swap(client))
                for _ in range(16):
                    group.create_task(ask(client))
            statistics = (await client.get_inference_statistics("affine")).model_stats
            return [(each.version, each.inference_stats.fail.count) for each in statistics]

    # Only the last version is still there, and it failed nobody; the others' failures would have raised above.
    assert asyncio.run(both()) == [(str(SWAPS + 1), 0)]
    assert answered >= REQUESTS
    assert versions == set(range(1, SWAPS + 2))
    server.terminate()
    code, _, err = server.wait()
    assert code == 0
    assert err.count("is not ready") == 1
