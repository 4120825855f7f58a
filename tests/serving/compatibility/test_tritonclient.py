"""tritonclient.grpc and tritonclient.grpc.aio, unmodified: every method of theirs that needs a model."""

import asyncio
import threading

import numpy as np
import pytest
from patience import PATIENCE
from tritonclient import grpc as triton
from tritonclient.grpc import aio
from tritonclient.utils import InferenceServerException

A, B = np.arange(16, dtype=np.int32).reshape(1, 16), np.full((1, 16), 5, np.int32)


def inputs():
    made = [triton.InferInput(f"INPUT{at}", [1, 16], "INT32") for at in (0, 1)]
    for tensor, array in zip(made, (A, B), strict=True):
        tensor.set_data_from_numpy(array)
    return made


def check(result):
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), A + B)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), A - B)


def with_aio(server, use):
    async def run():
        async with aio.InferenceServerClient(server.address) as client:
            return await use(client)

    return asyncio.run(run())


def test_the_asynchronous_client_learns_all_that_the_other_does(full_server):
    async def learn(client):
        return (
            await client.is_server_live(),
            await client.is_server_ready(),
            await client.is_model_ready("simple"),
            await client.is_model_ready("bad"),
            await client.get_server_metadata(as_json=True),
            await client.get_model_metadata("simple", as_json=True),
        )

    with triton.InferenceServerClient(full_server.address) as client:
        expected = (
            client.is_server_live(),
            client.is_server_ready(),
            client.is_model_ready("simple"),
            client.is_model_ready("bad"),
            client.get_server_metadata(as_json=True),
            client.get_model_metadata("simple", as_json=True),
        )
    assert expected[:4] == (True, False, True, False)
    assert with_aio(full_server, learn) == expected


def test_the_asynchronous_client_infers_many_at_once(full_server):
    async def infer(client):
        wanted = [triton.InferRequestedOutput("OUTPUT0"), triton.InferRequestedOutput("OUTPUT1")]
        calls = [client.infer("simple", inputs(), outputs=wanted, request_id=str(i)) for i in range(40)]
        return await asyncio.gather(*calls)

    for at, result in enumerate(with_aio(full_server, infer)):
        check(result)
        assert result.get_response().id == str(at)


def test_callbacks_are_called_with_results_and_with_errors(full_server):
    heard, both = [], threading.Semaphore(0)

    def tell(result, error):
        heard.append((result, error))
        both.release()

    with triton.InferenceServerClient(full_server.address) as client:
        client.async_infer("simple", inputs(), tell)
        assert both.acquire(timeout=PATIENCE)
        client.async_infer("none", inputs(), tell)
        assert both.acquire(timeout=PATIENCE)
    check(heard[0][0])
    assert "no model 'none' here" in str(heard[1][1])


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_are_understood(full_server, algorithm):
    with triton.InferenceServerClient(full_server.address) as client:
        check(client.infer("simple", inputs(), compression_algorithm=algorithm))


def test_headers_and_timeouts_are_taken(full_server):
    with triton.InferenceServerClient(full_server.address) as client:
        check(client.infer("simple", inputs(), headers={"x-team": "a"}, client_timeout=PATIENCE))


def test_an_error_has_its_code_in_both_clients(full_server):
    async def infer(client):
        with pytest.raises(InferenceServerException, match="no input 'INPUT0'") as raised:
            await client.infer("affine", inputs())
        return raised.value.status()

    with (
        triton.InferenceServerClient(full_server.address) as client,
        pytest.raises(InferenceServerException, match="no input 'INPUT0'") as raised,
    ):
        client.infer("affine", inputs())
    assert raised.value.status() == with_aio(full_server, infer) == "StatusCode.INVALID_ARGUMENT"
