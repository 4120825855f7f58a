"""Client and commands against `plainserve serve`, as a user has them."""

import asyncio
import json

import numpy as np
import pytest
from onnx import TensorProto

from serving.cli import main
from serving.client import AsyncClient, Client
from serving.client.errors import InvalidArgumentError, NotFoundError, UnavailableError

ELEMENTS = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


@pytest.fixture
def server(repository, onnx_models, start_server):
    repository.onnx("affine", onnx_models.affine(), 1)
    repository.onnx("affine", onnx_models.affine(3.0), 2)
    repository.onnx("simple", onnx_models.add_sub())
    for datatype, element in ELEMENTS.items():
        repository.onnx(f"same_{datatype}", onnx_models.identity(element, ["batch", 2]))
    return start_server(repository.root)


def test_the_blocking_client_is_answered_and_refused_as_the_server_says(server):
    x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    with Client(server.address) as client:
        assert client.is_live()
        assert client.is_ready()
        assert client.model_ready("affine")
        assert not client.model_ready("nothing")
        answer = client.infer("affine", x, request_id="a")
        np.testing.assert_array_equal(answer["y"], 3 * x + 1)
        assert (answer.model, answer.version, answer.id) == ("affine", "2", "a")
        with pytest.raises(InvalidArgumentError, match="input 'x'"):
            client.infer("affine", x[:, :2])
        with pytest.raises(InvalidArgumentError, match="INPUT1"):
            client.infer("simple", {"INPUT0": np.zeros((1, 16), np.int32)})
        with pytest.raises(NotFoundError, match="version 9"):
            client.infer("affine", x, version="9")


def test_every_datatype_comes_back_as_it_was_sent(server):
    sent = {name: [[0, 3]] for name in ELEMENTS} | {"BOOL": [[True, False]], "BYTES": [["é", "a\0"]]}
    with Client(server.address) as client:
        came = {name: client.infer(f"same_{name}", values)["y"].tolist() for name, values in sent.items()}
    assert came == sent | {"BYTES": [["é".encode(), b"a\0"]]}


def test_the_asynchronous_client_is_answered_in_its_own_order(server):
    async def use():
        async with AsyncClient(server.address) as client:
            rows = [np.full((1, 16), i, np.int32) for i in range(40)]
            calls = [client.infer("simple", {"INPUT0": row, "INPUT1": row + 1}) for row in rows]
            return await asyncio.gather(*calls)

    answers = asyncio.run(use())
    assert [int(answer["OUTPUT0"][0, 0]) for answer in answers] == [2 * i + 1 for i in range(40)]
    assert {int(answer["OUTPUT1"][0, 0]) for answer in answers} == {-1}


def test_the_commands_ask_the_server(server, tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text("1,2,3\n")
    assert main(["health", "--server", server.address, "--model", "affine"]) == 0
    assert main(["health", "--server", server.address, "--model", "nothing"]) == 1
    capsys.readouterr()
    assert main(["predict", "affine", "--input", str(path), "--server", server.address, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"]["y"]["data"] == [[4.0, 7.0, 10.0]]


def test_a_server_that_has_stopped_is_unavailable(server, capsys):
    with Client(server.address) as client:
        assert client.is_live()
        server.terminate()
        assert server.wait()[0] == 0
        assert not client.is_live()
        with pytest.raises(UnavailableError):
            client.infer("affine", [[1, 2, 3]])
    assert main(["health", "--server", server.address]) == 1
    assert "UNAVAILABLE" in capsys.readouterr().err
