"""A version is replaced while requests repeat: each answer is that of one version, and none is an error."""

import asyncio
import shutil

import numpy as np
import pytest
from counts import rows_and_runs
from infer_requests import METHOD, affine
from outcomes import Client, Request

from protos import open_inference_pb2 as pb

pytestmark = pytest.mark.slow

LOAD = Request(
    "/inference.GRPCInferenceService/RepositoryModelLoad",
    pb.RepositoryModelLoadRequest(model_name="swapped").SerializeToString(),
)

BURST = 32


def publish(root, content, version):
    """Put a version there at once, as publishers do."""
    staged = root / "swapped" / f".{version}"
    staged.mkdir()
    (staged / "model.onnx").write_bytes(content)
    staged.rename(root / "swapped" / str(version))


async def burst(client, first):
    """The versions that answered requests sent at the same time; each multiplies by its number and adds one."""
    numbers = [float(first + at) for at in range(BURST)]
    requests = [Request(METHOD, affine(x, model="swapped").SerializeToString()) for x in numbers]
    versions = set()
    for x, outcome in zip(numbers, await client.ask_all(requests), strict=True):
        assert outcome.code == "OK", outcome
        response = pb.ModelInferResponse.FromString(outcome.answers[0])
        version = int(response.model_version)
        assert np.frombuffer(response.raw_output_contents[0], np.float32).tolist() == [version * x + 1] * 3
        versions.add(version)
    return versions


async def reload_while_asked(server, version):
    """Load the version that was published, under load; the versions that answered before that was done, and after."""
    loaded, before, after = asyncio.Event(), set(), set()

    async def ask(client, first):
        while not loaded.is_set():
            before.update(await burst(client, first))
        after.update(await burst(client, first))

    async with (
        Client(server.address, 3) as client,
        Client(server.address) as control,
        asyncio.TaskGroup() as group,
    ):
        for at in range(2):
            group.create_task(ask(client, at * BURST))
        before.update(await burst(client, 100))
        outcome = await control.ask(LOAD)
        assert outcome.code == "OK", outcome
        loaded.set()
    assert after == {version}
    return before


def test_every_answer_is_of_the_old_version_or_of_the_new_one(both, onnx_models):
    for version in (2, 3):
        publish(both.root, onnx_models.affine(float(version)), version)
        for server in both.servers.values():
            assert asyncio.run(reload_while_asked(server, version)) <= {version - 1, version}
    shutil.rmtree(both.root / "swapped" / "2")
    rows, runs = rows_and_runs(both.servers["native"].address, "swapped", "3")
    assert runs < rows
