"""Every method that tritonclient's two clients have, those that a later version adds too, does what it is for."""

import asyncio
import inspect
import queue
import uuid

import numpy as np
import pytest
from patience import PATIENCE
from tritonclient import grpc as triton
from tritonclient.grpc import aio as triton_aio
from tritonclient.utils import InferenceServerException, shared_memory

pytestmark = pytest.mark.slow

LOCAL = {"close", "plugin", "register_plugin", "unregister_plugin"}
"""Methods that ask no server."""


class Blocking:
    """The blocking client, called as the other one is."""

    kind = triton.InferenceServerClient

    def __init__(self, address):
        self.client = self.kind(address)
        self.called = set()

    async def __call__(self, method, *arguments, **options):
        self.called.add(method)
        return await asyncio.to_thread(getattr(self.client, method), *arguments, **options)

    async def more(self, value):
        """What this client alone has: a callback for one answer, and for those of a stream."""
        answers = queue.Queue()
        for start, ask, stop in (
            (None, "async_infer", None),
            ("start_stream", "async_stream_infer", "stop_stream"),
        ):
            if start:
                await self(start, lambda result, error: answers.put((result, error)))
                await self(ask, "affine", [row(value)])
            else:
                await self(ask, "affine", [row(value)], lambda result, error: answers.put((result, error)))
            result, error = await asyncio.to_thread(answers.get, timeout=PATIENCE)
            assert error is None
            assert result.as_numpy("y")[0, 0] == 2 * value + 1
            if stop:
                await self(stop)

    async def close(self):
        self.client.close()


class Asynchronous:
    """The asyncio client."""

    kind = triton_aio.InferenceServerClient

    def __init__(self, address):
        self.client = self.kind(address)
        self.called = set()

    async def __call__(self, method, *arguments, **options):
        self.called.add(method)
        return await getattr(self.client, method)(*arguments, **options)

    async def more(self, value):
        """What this client alone has: a stream to iterate over."""
        self.called.add("stream_infer")

        async def requests():
            for at in range(3):
                yield {"model_name": "affine", "inputs": [row(value + at)], "request_id": str(at)}

        answers = [answer async for answer in self.client.stream_infer(requests())]
        assert [error for _, error in answers] == [None] * 3
        assert [result.as_numpy("y")[0, 0] for result, _ in answers] == [
            2 * (value + at) + 1 for at in range(3)
        ]

    async def close(self):
        await self.client.close()


@pytest.fixture(scope="module")
def serving(tmp_path_factory, onnx_models, module_server):
    root = tmp_path_factory.mktemp("models")
    (root / "affine" / "1").mkdir(parents=True)
    (root / "affine" / "1" / "model.onnx").write_bytes(onnx_models.affine())
    return module_server(
        root, "--allow-shared-memory", "--model-control-mode", "explicit", "--load-model", "*"
    )


@pytest.fixture
def region():
    key = f"/plainserve_{uuid.uuid4().hex}"
    made = shared_memory.create_shared_memory_region(key[1:], key, 24)
    yield made, key
    shared_memory.destroy_shared_memory_region(made)


def row(value):
    made = triton.InferInput("x", [1, 3], "FP32")
    made.set_data_from_numpy(np.array([[value, 0, 0]], np.float32))
    return made


@pytest.mark.parametrize("client", [Blocking, Asynchronous])
def test_every_method_of_the_client_does_what_it_is_for(client, serving, region):
    async def use():
        ask = client(serving.address)
        try:
            await about_the_server(ask)
            await about_models(ask)
            await control(ask)
            await memory(ask, *region)
            await settings(ask)
            await ask.more(7)
        finally:
            await ask.close()
        return ask.called

    public = {name for name, _ in inspect.getmembers(client.kind, callable) if not name.startswith("_")}
    assert asyncio.run(use()) == public - LOCAL


async def about_the_server(ask):
    assert await ask("is_server_live")
    assert await ask("is_server_ready")
    metadata = await ask("get_server_metadata")
    assert metadata.name == "plainserve"
    assert "system_shared_memory" in metadata.extensions


async def about_models(ask):
    assert await ask("is_model_ready", "affine", "1")
    metadata = await ask("get_model_metadata", "affine", as_json=True)
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "3"]}]
    assert (await ask("get_model_config", "affine")).config.max_batch_size == 64
    before = (await ask("get_inference_statistics", "affine", "1")).model_stats[0].inference_count
    outputs = [triton.InferRequestedOutput("y")]
    result = await ask("infer", "affine", [row(3)], outputs=outputs, request_id="a", client_timeout=PATIENCE)
    assert result.get_response().id == "a"
    np.testing.assert_array_equal(result.as_numpy("y"), [[7, 1, 1]])
    after = (await ask("get_inference_statistics")).model_stats[0].inference_count
    assert after == before + 1
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        await ask("get_model_metadata", "other")


async def control(ask):
    await ask("unload_model", "affine")
    (model,) = (await ask("get_model_repository_index")).models
    assert (model.name, model.state) == ("affine", "UNAVAILABLE")
    assert not await ask("is_model_ready", "affine")
    with pytest.raises(InferenceServerException, match="UNAVAILABLE"):
        await ask("infer", "affine", [row(1)])
    await ask("load_model", "affine", config='{"max_batch_size": 4}')
    assert (await ask("get_model_config", "affine")).config.max_batch_size == 4
    await ask("load_model", "affine")
    assert (await ask("get_model_config", "affine")).config.max_batch_size == 64
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        await ask("load_model", "other")


async def memory(ask, made, key):
    shared_memory.set_shared_memory_region(made, [np.array([[5, 0, 0]], np.float32)])
    await ask("register_system_shared_memory", "both", key, 24)
    assert (await ask("get_system_shared_memory_status")).regions["both"].byte_size == 24
    x, y = triton.InferInput("x", [1, 3], "FP32"), triton.InferRequestedOutput("y")
    x.set_shared_memory("both", 12)
    y.set_shared_memory("both", 12, 12)
    await ask("infer", "affine", [x], outputs=[y])
    got = shared_memory.get_contents_as_numpy(made, np.float32, [1, 3], 12)
    np.testing.assert_array_equal(got, [[11, 1, 1]])
    await ask("unregister_system_shared_memory", "both")
    assert not (await ask("get_system_shared_memory_status")).regions
    for method, *arguments in (
        ("get_cuda_shared_memory_status",),
        ("register_cuda_shared_memory", "r", b"aGFuZGxl", 0, 1),
        ("unregister_cuda_shared_memory", "r"),
    ):
        with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*on the CPU"):
            await ask(method, *arguments)


async def settings(ask):
    assert list((await ask("get_trace_settings")).settings["trace_level"].value) == ["OFF"]
    with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*writes no traces"):
        await ask("update_trace_settings", settings={"trace_level": ["TIMESTAMPS"]})
    for wanted in (True, False):
        await ask("update_log_settings", {"log_info": wanted})
        assert (await ask("get_log_settings")).settings["log_info"].bool_param is wanted
