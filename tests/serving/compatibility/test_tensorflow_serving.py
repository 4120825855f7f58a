"""tensorflow-serving-api's stubs with TensorFlow's own tensors, unmodified, in a process of their own."""

import shutil

import pytest
from onnx import TensorProto

pytestmark = pytest.mark.slow

X = {"x": ["FP32", [[1, 2, 3], [4, 5, 6]]]}
TWICE, ONCE = [[3, 5, 7], [9, 11, 13]], [[2, 3, 4], [5, 6, 7]]
A, B = ["INT32", [list(range(16))]], ["INT32", [[5] * 16]]

SAME = {
    "BOOL": (TensorProto.BOOL, [[True, False]]),
    "UINT8": (TensorProto.UINT8, [[0, 255]]),
    "UINT16": (TensorProto.UINT16, [[0, 65535]]),
    "UINT32": (TensorProto.UINT32, [[0, 2**32 - 1]]),
    "UINT64": (TensorProto.UINT64, [[0, 2**64 - 1]]),
    "INT8": (TensorProto.INT8, [[-128, 127]]),
    "INT16": (TensorProto.INT16, [[-(2**15), 2**15 - 1]]),
    "INT32": (TensorProto.INT32, [[-(2**31), 2**31 - 1]]),
    "INT64": (TensorProto.INT64, [[-(2**63), 2**63 - 1]]),
    "FP64": (TensorProto.DOUBLE, [[0.1, -1e300]]),
}
"""Models that return what they get, and what they get; ``text`` and ``half`` do the same for the others."""

REQUESTS = {
    "newest": {"model": "affine", "inputs": X},
    "unnamed signature": {"model": "affine", "inputs": X, "signature": ""},
    "number": {"model": "affine", "inputs": X, "version": 1},
    "label": {"model": "affine", "inputs": X, "label": "stable"},
    "tflite": {"model": "affine_lite", "inputs": X},
    "filter": {"model": "simple", "inputs": {"INPUT0": A, "INPUT1": B}, "outputs": ["OUTPUT1"]},
    "text": {"model": "text", "inputs": {"x": ["BYTES", [["é", ""]]]}},
    "half": {"model": "half", "inputs": {"x": ["FP16", [[0.5, 65504]]]}},
    "one for all": {"model": "affine", "inputs": {"x": ["FP32", [[7, 7, 7]] * 4]}},
    "unknown": {"model": "none", "inputs": X},
    "unknown label": {"model": "affine", "inputs": X, "label": "gone"},
    "unknown signature": {"model": "affine", "inputs": X, "signature": "train"},
    "wrong type": {"model": "affine", "inputs": {"x": ["INT64", [[1, 2, 3]]]}},
    "Classify": {"method": "Classify"},
    "Regress": {"method": "Regress"},
    "MultiInference": {"method": "MultiInference"},
    **{
        f"same_{name}": {"model": f"same_{name}", "inputs": {"x": [name, sent]}}
        for name, (_, sent) in SAME.items()
    },
}


TOKEN = "a-token-that-may-give-labels"  # noqa: S105  of no other server


@pytest.fixture(scope="module")
def address(full_repository, onnx_models, tmp_path_factory, start_module_server):
    root = tmp_path_factory.mktemp("repository") / "all"
    shutil.copytree(full_repository, root)
    for name, (element, _) in SAME.items():
        (root / f"same_{name}" / "1").mkdir(parents=True)
        model = onnx_models.identity(element, ["batch", 2])
        (root / f"same_{name}" / "1" / "model.onnx").write_bytes(model)
    tokens = root.parent / "tokens"
    tokens.write_text(f"administration {TOKEN}\n")
    tokens.chmod(0o600)
    return start_module_server(root, "--tokens", str(tokens)).address


@pytest.fixture(scope="module")
def done(ask, address):
    job = {
        "address": address,
        "token": TOKEN,
        "labels": {"affine": {"stable": 1}},
        "requests": list(REQUESTS.values()),
        "metadata": ["affine", "labels_lite"],
        "status": ["affine", "bad"],
    }
    return ask("tensorflow_calls.py", job)


@pytest.fixture
def answers(done):
    return dict(zip(REQUESTS, done["answers"], strict=True))


@pytest.mark.parametrize(
    ("request_name", "version", "outputs"),
    [
        ("newest", 2, {"y": TWICE}),
        ("unnamed signature", 2, {"y": TWICE}),
        ("number", 1, {"y": ONCE}),
        ("label", 1, {"y": ONCE}),
        ("tflite", 1, {"y": TWICE}),
        ("filter", 1, {"OUTPUT1": [[a - 5 for a in range(16)]]}),
        ("text", 1, {"y": ["é", ""]}),
        ("half", 1, {"y": [[0.5, 65504]]}),
        ("one for all", 2, {"y": [[15, 15, 15]] * 4}),
    ],
)
def test_requests_are_answered(answers, request_name, version, outputs):
    assert answers[request_name] == {"version": version, "outputs": outputs}


@pytest.mark.parametrize(
    ("request_name", "code", "text"),
    [
        ("unknown", "NOT_FOUND", "the names are: affine"),
        ("unknown label", "NOT_FOUND", "it has 'stable'"),
        ("unknown signature", "INVALID_ARGUMENT", "it has 'serving_default'"),
        ("wrong type", "INVALID_ARGUMENT", "is of datatype FP32; got INT64"),
        ("Classify", "INVALID_ARGUMENT", "model_spec.name is empty; name the model"),
        ("Regress", "INVALID_ARGUMENT", "model_spec.name is empty; name the model"),
        ("MultiInference", "INVALID_ARGUMENT", "came without tasks"),
    ],
)
def test_refusals_name_what_to_do(answers, request_name, code, text):
    assert answers[request_name]["code"] == code
    assert text in answers[request_name]["text"]


@pytest.mark.parametrize("datatype", SAME)
def test_every_type_comes_back_as_it_was_sent(answers, datatype):
    assert answers[f"same_{datatype}"] == {"version": 1, "outputs": {"y": SAME[datatype][1]}}


def test_labels_were_taken(done):
    assert done["labels"] == 0


def test_tensorflow_reads_the_signatures(done):
    assert done["metadata"]["affine"] == {
        "serving_default": {"inputs": {"x": ["float32", [None, 3]]}, "outputs": {"y": ["float32", [None, 3]]}}
    }
    assert done["metadata"]["labels_lite"]["serving_default"] == {
        "inputs": {"ids": ["int32", [None]], "text": ["string", [None]]},
        "outputs": {"label": ["string", [None]], "same": ["bool", [None]]},
    }


def test_the_states_of_versions(done):
    assert done["status"]["affine"] == {"1": ["AVAILABLE", ""], "2": ["AVAILABLE", ""]}
    ((state, reason),) = done["status"]["bad"].values()
    assert state == "END"
    assert "onnxruntime" in reason
