"""kserve's InferenceGRPCClient, unmodified, in an environment of its own."""

import pytest

pytestmark = pytest.mark.slow

A = [list(range(16))]
B = [[5] * 16]
SUM, DIFFERENCE = [[a + 5 for a in range(16)]], [[a - 5 for a in range(16)]]

REQUESTS = {
    "raw": {"model": "affine", "inputs": {"x": ["FP32", [[1, 2, 3], [4, 5, 6]]]}, "id": "41"},
    "typed": {"model": "affine", "inputs": {"x": ["FP32", [[1, 2, 3]]]}, "binary": False},
    "old version": {"model": "affine", "inputs": {"x": ["FP32", [[1, 2, 3]]]}, "version": "1"},
    "two": {"model": "simple", "inputs": {"INPUT0": ["INT32", A], "INPUT1": ["INT32", B]}},
    "one output": {
        "model": "simple",
        "inputs": {"INPUT0": ["INT32", A], "INPUT1": ["INT32", B]},
        "outputs": ["OUTPUT1"],
    },
    "text": {"model": "text", "inputs": {"x": ["BYTES", [["é", ""]]]}},
    "half": {"model": "half", "inputs": {"x": ["FP16", [[0.5, 65504]]]}},
    "unknown": {"model": "none", "inputs": {"x": ["FP32", [[1]]]}},
    "shape": {"model": "affine", "inputs": {"x": ["FP32", [[1, 2]]]}},
}


@pytest.fixture(scope="module")
def done(ask, clients_python, full_server):
    job = {
        "address": full_server.address,
        "models": ["affine", "bad", "none"],
        "requests": list(REQUESTS.values()),
    }
    return ask("kserve_calls.py", job, clients_python)


def test_a_server_one_of_whose_models_cannot_answer_is_live_and_not_ready(done):
    assert (done["live"], done["ready"]) == (True, False)
    assert done["models"] == {"affine": True, "bad": False, "none": False}


@pytest.mark.parametrize(
    ("request_name", "version", "outputs"),
    [
        ("raw", "2", {"y": ["FP32", [[3, 5, 7], [9, 11, 13]]]}),
        ("typed", "2", {"y": ["FP32", [[3, 5, 7]]]}),
        ("old version", "1", {"y": ["FP32", [[2, 3, 4]]]}),
        ("two", "1", {"OUTPUT0": ["INT32", SUM], "OUTPUT1": ["INT32", DIFFERENCE]}),
        ("one output", "1", {"OUTPUT1": ["INT32", DIFFERENCE]}),
        ("text", "1", {"y": ["BYTES", ["é", ""]]}),
        ("half", "1", {"y": ["FP16", [[0.5, 65504]]]}),
    ],
)
def test_requests_are_answered(done, request_name, version, outputs):
    found = done["answers"][list(REQUESTS).index(request_name)]
    assert (found["version"], found["outputs"]) == (version, outputs)


def test_the_id_comes_back(done):
    assert done["answers"][0]["id"] == "41"


@pytest.mark.parametrize(
    ("request_name", "code", "text"),
    [("unknown", "NOT_FOUND", "no model 'none' here"), ("shape", "INVALID_ARGUMENT", "got [1,2]")],
)
def test_errors_reach_the_caller(done, request_name, code, text):
    found = done["answers"][list(REQUESTS).index(request_name)]
    assert found["code"] == code
    assert text in found["text"]
