"""Our code and other people's clients in one process, whoever is imported first.

kserve and tritonclient register the same names in two files and cannot be imported together, whoever else is
there; so they are tried apart. Beside TensorFlow, whose import takes seconds, each is tried first, between and last.
"""

import itertools
import os
import subprocess
import sys
import sysconfig

import pytest
from patience import PATIENCE

pytestmark = pytest.mark.slow

OURS = (
    "import serving.client; from protos import open_inference_pb2 as ours, tensorflow_serving_pb2 as ours_too"
)
TRITON = (
    "import tritonclient.grpc, tritonclient.grpc.aio; from tritonclient.grpc import service_pb2 as theirs"
)
KSERVE = "import kserve; from kserve.protocol.grpc import grpc_predict_v2_pb2 as theirs"
TENSORFLOW = "import tensorflow; from tensorflow_serving.apis import predict_pb2 as theirs_too"

INFER = """
request = ours.ModelInferRequest(model_name="m", raw_input_contents=[b"abc"])
request.inputs.add(name="x", datatype="FP32", shape=[-1, 3])
assert str(theirs.ModelInferRequest.FromString(request.SerializeToString())) == str(request)
assert type(request) is not theirs.ModelInferRequest
"""
PREDICT = """
request = theirs_too.PredictRequest()
request.model_spec.name = "m"
request.inputs["x"].CopyFrom(tensorflow.make_tensor_proto([1.0, 2.0]))
assert str(ours_too.PredictRequest.FromString(request.SerializeToString())) == str(request)
"""


@pytest.fixture
def run(root):
    """Run code with our packages in sight; the packages of this environment come last."""

    def run(python, *lines):
        # Nothing is freed in these processes, and an import makes many objects for a collection to traverse.
        last = f"import gc, sys; gc.disable(); sys.path.append({sysconfig.get_path('purelib')!r})"
        return subprocess.run(
            [python, "-c", "\n".join([last, *lines, "print('fine')"])],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
        )

    return run


def turns(*items):
    return [(*items[at:], *items[:at]) for at in range(len(items))]


def names(order):
    short = {OURS: "ours", TRITON: "triton", KSERVE: "kserve", TENSORFLOW: "tensorflow"}
    return "-".join(short[each] for each in order)


@pytest.mark.parametrize("order", list(itertools.permutations([OURS, TRITON])), ids=names)
def test_ours_and_tritonclient(run, order):
    done = run(sys.executable, *order, INFER)
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.parametrize("order", list(itertools.permutations([OURS, KSERVE])), ids=names)
def test_ours_and_kserve(run, clients_python, order):
    done = run(clients_python, *order, INFER)
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.parametrize("order", turns(OURS, TRITON, TENSORFLOW), ids=names)
def test_ours_tritonclient_and_tensorflow(run, order):
    done = run(sys.executable, *order, INFER, PREDICT)
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.parametrize("order", turns(OURS, KSERVE, TENSORFLOW), ids=names)
def test_ours_kserve_and_tensorflow(run, clients_python, order):
    done = run(clients_python, *order, INFER, PREDICT)
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.parametrize("order", [(TRITON, KSERVE), (KSERVE, TRITON)], ids=names)
def test_what_those_two_do_not_allow_is_no_affair_of_ours(run, clients_python, order):
    """If this fails they have made peace, and belong into the tests above together."""
    assert "duplicate symbol 'inference." in run(clients_python, *order).stderr
