"""Batches formed from what waits: their size, and that nobody's answer depends on them."""

import asyncio

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tritonclient import grpc as triton
from tritonclient.grpc import aio as triton_aio

WIDTH = 1024
CONCURRENCY = 32
REQUESTS = 320
ALL = "default_queue_policy { max_queue_size: 64 }"
"""By itself a queue refuses what would wait for long, which on a slow machine are some of these."""

GATHER = f"dynamic_batching {{ preferred_batch_size: [16] max_queue_delay_microseconds: 500000 {ALL} }}"
"""Clients in Python are slower than this model: a batch has to wait until as many as it prefers are there."""


@pytest.fixture(scope="module")
def server(tmp_path_factory, module_server):
    """Four dense layers of 1024 units with softsign between them, served twice: with batches and without."""
    random = np.random.default_rng(4)
    nodes, weights, last = [], [], "x"
    for layer in range(4):
        matrix = (random.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH)).astype(np.float32)
        weights.append(onnx.numpy_helper.from_array(matrix, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{layer}"], [f"m{layer}"]))
        last = "y" if layer == 3 else f"a{layer}"
        nodes.append(helper.make_node("Softsign", [f"m{layer}"], [last]))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in "xy")
    graph = helper.make_graph(nodes, "mlp", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    root = tmp_path_factory.mktemp("models")
    for name, config in (("mlp", GATHER), ("alone", f"max_batch_size: 1 dynamic_batching {{ {ALL} }}")):
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.onnx").write_bytes(model.SerializeToString())
        (root / name / "config.pbtxt").write_text(config)
    return module_server(root)


def ask(address, model, rows):
    """Send every row as a request of its own, 32 at a time."""

    async def all_rows():
        room = asyncio.Semaphore(CONCURRENCY)

        async def one(client, row):
            x = triton.InferInput("x", [1, WIDTH], "FP32")
            x.set_data_from_numpy(row[None])
            async with room:
                return (await client.infer(model, [x])).as_numpy("y")[0]

        async with triton_aio.InferenceServerClient(address) as client:
            return np.stack(await asyncio.gather(*(one(client, row) for row in rows)))

    return asyncio.run(all_rows())


def test_the_mean_batch_is_over_four_and_answers_are_those_of_single_requests(server):
    rows = np.random.default_rng(5).standard_normal((REQUESTS, WIDTH), np.float32)
    together, alone = (ask(server.address, model, rows) for model in ("mlp", "alone"))
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
    with triton.InferenceServerClient(server.address) as client:
        batched, single = (client.get_inference_statistics(name).model_stats[0] for name in ("mlp", "alone"))
    assert batched.inference_count == single.inference_count == REQUESTS
    assert batched.inference_count / batched.execution_count > 4
    assert single.execution_count == REQUESTS
    assert max(each.batch_size for each in batched.batch_stats) <= 64
    assert sum(each.batch_size * each.compute_infer.count for each in batched.batch_stats) == REQUESTS
