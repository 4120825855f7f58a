"""Every status code that the server has, provoked by clients as people have them; its text names what to do.

Who asks is not checked yet, so nothing is UNAUTHENTICATED. A client that gives up, by its deadline or because it
was told to, hears its own library and not the server; there only the code is to be seen.
"""

import threading

import grpc
import numpy as np
import pytest
from patience import PATIENCE
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from protos import tensorflow_serving_pb2 as pb
from protos.tensorflow_serving_pb2_grpc import ModelServiceStub, PredictionServiceStub
from serving.services.error_to_status import PUSHBACK, STATUS
from serving.services.tensorflow_serving import tensor_proto

pytestmark = pytest.mark.slow

Code = grpc.StatusCode
BRIEF = 5
"""A count that takes the model no time."""

ONE_MAY_WAIT = (
    "max_batch_size: 0 "
    "dynamic_batching { default_queue_policy { max_queue_size: 1 allow_timeout_override: true } }"
)


class Clients:
    """tritonclient and the stubs of TensorFlow Serving's protocol, on one server."""

    def __init__(self, address):
        self.triton = triton.InferenceServerClient(address)
        self.channel = grpc.insecure_channel(address)
        self.prediction, self.models = PredictionServiceStub(self.channel), ModelServiceStub(self.channel)

    def close(self):
        self.triton.close()
        self.channel.close()

    def infer(self, model, name, values, **options):
        tensor = triton.InferInput(name, [len(values)], "INT64")
        tensor.set_data_from_numpy(np.array(values))
        return self.triton.infer(model, [tensor], **options)

    def predict(self, model, name, values, **options):
        return self.prediction.Predict(predict_request(model, name, values), **{"timeout": 60} | options)

    def count(self, steps, **options):
        return self.infer("counter", "n", [steps], **options).as_numpy("y").tolist()


def predict_request(model, name, values):
    request = pb.PredictRequest(model_spec=pb.ModelSpec(name=model))
    tensor_proto.write(np.array(values), "INT64", request.inputs[name])
    return request


def cancel_infer(clients):
    """tritonclient's way: the error goes to the callback."""
    heard, told = [], threading.Event()

    def tell(result, error):
        heard.append(result or error)
        told.set()

    tensor = triton.InferInput("n", [1], "INT64")
    tensor.set_data_from_numpy(np.array([BRIEF]))
    clients.triton.async_infer("counter", [tensor], tell).cancel()
    assert told.wait(PATIENCE)
    raise heard[0]


def cancel_predict(clients):
    call = clients.prediction.Predict.future(predict_request("counter", "n", [BRIEF]), timeout=PATIENCE)
    call.cancel()
    # Its exception() is grpc's FutureCancelledError, which has no code.
    raise InferenceServerException("cancelled", str(call.code()))


FREE, RUNNING, FULL = "free", "running", "full"

TABLE = [
    (
        Code.INVALID_ARGUMENT,
        FREE,
        lambda c: c.infer("counter", "n", [1, 2]),
        r"'n' has shape \[1\].*got \[2\]",
    ),
    (
        Code.INVALID_ARGUMENT,
        FREE,
        lambda c: c.predict("counter", "n", [1, 2]),
        r"'n' has shape \[1\].*got \[2\]",
    ),
    (Code.INVALID_ARGUMENT, FREE, lambda c: c.predict("counter", "m", [1]), "no input 'm'; it has 'n'"),
    (Code.NOT_FOUND, FREE, lambda c: c.infer("none", "n", [1]), "the names are: bad, counter, lookup"),
    (Code.NOT_FOUND, FREE, lambda c: c.predict("none", "n", [1]), "the names are: bad, counter, lookup"),
    (
        Code.NOT_FOUND,
        FREE,
        lambda c: c.infer("counter", "n", [1], model_version="2"),
        "no version 2; it has: 1",
    ),
    (Code.UNAVAILABLE, FREE, lambda c: c.infer("bad", "n", [1]), "mend its files or publish another version"),
    (
        Code.UNAVAILABLE,
        FREE,
        lambda c: c.predict("bad", "n", [1]),
        "mend its files or publish another version",
    ),
    (
        Code.RESOURCE_EXHAUSTED,
        FULL,
        lambda c: c.infer("counter", "n", [1]),
        "wait for model 'counter'; try again",
    ),
    (
        Code.RESOURCE_EXHAUSTED,
        FULL,
        lambda c: c.predict("counter", "n", [1]),
        "wait for model 'counter'; try again",
    ),
    (
        Code.DEADLINE_EXCEEDED,
        RUNNING,
        lambda c: c.count(1, timeout=1000),
        "allow more time or send fewer at once",
    ),
    (Code.DEADLINE_EXCEEDED, RUNNING, lambda c: c.count(1, client_timeout=0.05), "Deadline Exceeded"),
    (
        Code.DEADLINE_EXCEEDED,
        RUNNING,
        lambda c: c.predict("counter", "n", [1], timeout=0.05),
        "Deadline Exceeded",
    ),
    (Code.CANCELLED, RUNNING, cancel_infer, "(?i)cancelled"),
    (Code.CANCELLED, RUNNING, cancel_predict, "(?i)cancelled"),
    (
        Code.UNIMPLEMENTED,
        FREE,
        lambda c: c.triton.load_model("lookup"),
        "start it with --model-control-mode explicit",
    ),
    (Code.UNIMPLEMENTED, FREE, lambda c: c.triton.get_cuda_shared_memory_status(), "on the CPU"),
    (
        Code.UNIMPLEMENTED,
        FREE,
        lambda c: c.prediction.MultiInference(
            pb.MultiInferenceRequest(
                tasks=[pb.InferenceTask(model_spec=pb.ModelSpec(name="lookup"), method_name="predict")]
            )
        ),
        "does not do method_name 'predict'; set tensorflow/serving/classify or",
    ),
    (
        Code.PERMISSION_DENIED,
        FREE,
        lambda c: c.triton.get_system_shared_memory_status(),
        "--allow-shared-memory",
    ),
    (
        Code.INTERNAL,
        FREE,
        lambda c: c.infer("lookup", "ids", [99]),
        "failed on this request; its log says why",
    ),
    (
        Code.INTERNAL,
        FREE,
        lambda c: c.predict("lookup", "ids", [99]),
        "failed on this request; its log says why",
    ),
]


@pytest.fixture(scope="module")
def clients(tmp_path_factory, onnx_models, start_module_server, module_traffic):
    root = tmp_path_factory.mktemp("repository")
    models = {"counter": onnx_models.counter(), "lookup": onnx_models.lookup(), "bad": b"junk"}
    for name, content in models.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.onnx").write_bytes(content)
    (root / "counter" / "config.pbtxt").write_text(ONE_MAY_WAIT)
    made = Clients(start_module_server(root, *module_traffic.options).address)
    yield made
    made.close()


@pytest.fixture
def occupy(clients, steps_lasting, module_traffic):
    """Bring the model 'counter' into a state, and let it come to rest after the test."""
    threads, long = [], steps_lasting(1.5)

    def occupy(state):
        for waiting, steps in enumerate({FREE: (), RUNNING: (long,), FULL: (long, BRIEF)}[state]):
            threads.append(threading.Thread(target=clients.count, args=(steps,)))
            threads[-1].start()
            module_traffic.wait_for(running=1, waiting=waiting)

    yield occupy
    for thread in threads:
        thread.join(timeout=PATIENCE)
    assert clients.count(BRIEF) == [BRIEF]


@pytest.mark.parametrize(("code", "state", "provoke", "text"), TABLE)
def test_a_code_reaches_the_client_with_a_text_that_names_what_to_do(
    clients, occupy, code, state, provoke, text
):
    occupy(state)
    with pytest.raises((grpc.RpcError, InferenceServerException), match=text) as raised:
        provoke(clients)
    error = raised.value
    found = error.status() if isinstance(error, InferenceServerException) else str(error.code())
    assert found == str(code)


def test_the_table_has_every_code_but_the_one_that_nobody_gets_yet():
    assert {code.name for code, *_ in TABLE} == {code.name for code in STATUS.values()} - {"UNAUTHENTICATED"}


def test_a_full_queue_says_when_to_come_back(clients, occupy):
    occupy(FULL)
    with pytest.raises(grpc.RpcError) as raised:
        clients.predict("counter", "n", [1])
    assert 10 <= int(dict(raised.value.trailing_metadata())[PUSHBACK]) <= 10_000


def test_what_its_client_gave_up_is_never_computed(clients, occupy):
    def runs():
        return clients.triton.get_inference_statistics("counter").model_stats[0].execution_count

    before = runs()
    occupy(RUNNING)
    for give_up in (
        lambda: clients.predict("counter", "n", [1], timeout=0.05),
        lambda: cancel_predict(clients),
        lambda: clients.count(1, timeout=1000),
    ):
        with pytest.raises((grpc.RpcError, InferenceServerException)):
            give_up()
    assert clients.count(BRIEF) == [BRIEF]
    assert runs() == before + 2
