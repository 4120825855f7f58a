"""The blocking and the asynchronous client against one small server; each test runs with both."""

import asyncio
import inspect
import time

import grpc
import numpy as np
import pytest
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from serving.client import AsyncClient, Client, Retry
from serving.client.errors import (
    AddressError,
    AnswerError,
    DeadlineExceededError,
    InputError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)

QUICK = Retry(attempts=3, first=0.01, longest=0.02)


class Blocking:
    """Drives a Client; calls look the same as through :class:`Awaiting`."""

    def __init__(self, address, **options):
        self.client = Client(address, **options)

    def __getattr__(self, name):
        return getattr(self.client, name)


class Awaiting:
    """Drives an AsyncClient from blocking code, in a loop of its own."""

    def __init__(self, address, **options):
        self.runner = asyncio.Runner()

        async def make():
            return AsyncClient(address, **options)

        self.client = self.runner.run(make())

    def __getattr__(self, name):
        return lambda *arguments, **options: self.runner.run(
            getattr(self.client, name)(*arguments, **options)
        )

    def close(self):
        self.runner.run(self.client.close())
        self.runner.close()


@pytest.fixture(params=[Blocking, Awaiting], ids=["blocking", "async"])
def connect(request):
    made = []

    def make(address, **options):
        made.append(request.param(address, **{"retry": QUICK, "timeout": PATIENCE} | options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_an_array_goes_in_and_an_array_comes_out(connect, address):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    answer = connect(address).infer("double", x, request_id="7")
    np.testing.assert_array_equal(answer["y"], x * 2)
    assert answer["y"].dtype == np.float32
    assert (answer.model, answer.version, answer.id) == ("double", "2", "7")


def test_inputs_by_name_are_sent_in_the_order_of_the_metadata(connect, address, recorder):
    ones = np.ones((1, 2), np.int32)
    answer = connect(address).infer("add", {"b": ones * 5, "a": ones}, outputs=["y"], version="2")
    np.testing.assert_array_equal(answer["y"], [[6, 6]])
    sent = recorder.requests[0]
    assert [tensor.name for tensor in sent.inputs] == ["a", "b"]
    assert [output.name for output in sent.outputs] == ["y"]
    assert (sent.model_version, len(sent.raw_input_contents)) == ("2", 2)
    assert not any(tensor.HasField("contents") for tensor in sent.inputs)


def test_metadata_is_fetched_once(connect, address, recorder):
    client = connect(address)
    for _ in range(3):
        client.infer("double", [[1.0, 2.0, 3.0]])
    assert recorder.calls.count("ModelMetadata") == 1
    assert recorder.calls.count("ModelInfer") == 3


def test_metadata_is_fetched_anew_after_a_refusal(connect, address, recorder):
    client = connect(address)
    client.infer("double", [[1.0, 2.0, 3.0]])
    recorder.failures = [("ModelInfer", grpc.StatusCode.INVALID_ARGUMENT, "input 'x': shape", ())]
    with pytest.raises(InvalidArgumentError, match="input 'x': shape"):
        client.infer("double", [[1.0, 2.0, 3.0]])
    client.infer("double", [[1.0, 2.0, 3.0]])
    assert recorder.calls.count("ModelMetadata") == 2


def test_metadata_names_inputs_and_outputs(connect, address):
    metadata = connect(address).metadata("add")
    assert (metadata.name, metadata.versions, metadata.platform) == ("add", ("1", "2"), "test")
    assert [(t.name, t.datatype, t.shape) for t in metadata.inputs] == [
        ("a", "INT32", (-1, 2)),
        ("b", "INT32", (-1, 2)),
    ]


def test_half_precision_and_strings_travel_there_and_back(connect, address):
    client = connect(address)
    half = np.array([1.5, -0.0, np.inf], np.float16)
    np.testing.assert_array_equal(client.infer("half", half)["y"], half)
    assert client.infer("brain", [1.5, -2.0])["y"].tolist() == [1.5, -2.0]
    assert client.infer("upper", ["é", b"\x00a\x00", ""])["y"].tolist() == ["é".encode(), b"\x00a\x00", b""]


def test_parameters_keep_their_types(connect, address, recorder):
    parameters = {"b": True, "i": -3, "u": 2**63, "d": 0.5, "s": "text"}
    connect(address).infer("double", [[1, 2, 3]], parameters=parameters)
    sent = recorder.requests[0].parameters
    kinds = {key: sent[key].WhichOneof("parameter_choice") for key in parameters}
    assert kinds == {
        "b": "bool_param",
        "i": "int64_param",
        "u": "uint64_param",
        "d": "double_param",
        "s": "string_param",
    }
    assert {key: getattr(sent[key], kind) for key, kind in kinds.items()} == parameters


def test_tensors_larger_than_grpcs_own_limit_travel_both_ways(connect, address):
    x = np.ones((500_000, 3), np.float32)
    assert connect(address).infer("double", x)["y"].nbytes == x.nbytes > 4 * 2**20


def test_readiness_is_asked_of_server_and_model(connect, address, recorder):
    client = connect(address)
    assert client.is_live()
    assert client.is_ready()
    assert client.model_ready("double")
    assert not client.model_ready("nothing")
    recorder.ready = False
    assert not client.is_ready()
    assert not client.model_ready("double")


def test_a_server_that_is_not_there_is_neither_live_nor_ready(connect, closed_address):
    client = connect(closed_address)
    assert not client.is_live()
    assert not client.is_ready()
    assert not client.model_ready("double")
    with pytest.raises(UnavailableError):
        client.infer("double", [[1, 2, 3]])


def test_what_is_unavailable_is_tried_again(connect, address, recorder):
    recorder.failures = [("ModelInfer", grpc.StatusCode.UNAVAILABLE, "loading", ())] * 2
    assert connect(address).infer("double", [[1, 2, 3]])["y"].tolist() == [[2, 4, 6]]
    assert recorder.calls.count("ModelInfer") == 3


def test_it_gives_up_after_the_last_attempt(connect, address, recorder):
    recorder.failures = [("ModelInfer", grpc.StatusCode.UNAVAILABLE, "loading", ())] * 5
    with pytest.raises(UnavailableError, match="UNAVAILABLE: loading"):
        connect(address).infer("double", [[1, 2, 3]])
    assert recorder.calls.count("ModelInfer") == QUICK.attempts


def test_a_full_queue_is_tried_again_after_the_hint(connect, address, recorder):
    hint = (("grpc-retry-pushback-ms", "150"),)
    recorder.failures = [("ModelInfer", grpc.StatusCode.RESOURCE_EXHAUSTED, "queue full", hint)]
    client = connect(address)
    client.metadata("double")
    start = time.monotonic()
    client.infer("double", [[1, 2, 3]])
    assert time.monotonic() - start >= 0.15


@pytest.mark.parametrize(
    "case",
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, (), ResourceExhaustedError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, (("grpc-retry-pushback-ms", "-1"),), ResourceExhaustedError),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            (("grpc-retry-pushback-ms", str(2000 * PATIENCE)),),
            ResourceExhaustedError,
        ),
        (grpc.StatusCode.UNAVAILABLE, (("grpc-retry-pushback-ms", "-1"),), UnavailableError),
        (grpc.StatusCode.INTERNAL, (), InternalError),
        (grpc.StatusCode.NOT_FOUND, (), NotFoundError),
    ],
)
def test_what_would_not_help_is_not_tried_again(connect, address, recorder, case):
    code, trailing, kind = case
    recorder.failures = [("ModelInfer", code, "no", trailing)]
    with pytest.raises(kind) as caught:
        connect(address).infer("double", [[1, 2, 3]])
    assert caught.value.code is code
    assert recorder.calls.count("ModelInfer") == 1


def test_a_deadline_ends_the_call_and_reaches_the_server(connect, address, recorder):
    client = connect(address)
    client.metadata("double")
    with pytest.raises(DeadlineExceededError):
        client.infer("double", [[1, 2, 3]], request_id="hang", timeout=1.0)
    assert recorder.calls.count("ModelInfer") == 1
    # gRPC rounds a deadline up on its way; the client's own is far longer.
    assert recorder.remaining[-1] < 2
    assert recorder.hanging == 1, "the call ended before the server answered"


@pytest.fixture
def longest_pauses(monkeypatch):
    monkeypatch.setattr("serving.client.retry.random.uniform", lambda _, longest: longest)


@pytest.mark.usefixtures("longest_pauses")
def test_attempts_share_one_deadline(connect, address, recorder):
    recorder.failures = [("ModelInfer", grpc.StatusCode.UNAVAILABLE, "loading", ())] * 3
    client = connect(address, retry=Retry(attempts=100, first=0.8, longest=0.8))
    client.metadata("double")
    asked = len(recorder.remaining)
    client.infer("double", [[1, 2, 3]], timeout=20.0)
    left = recorder.remaining[asked:]
    assert len(left) == 4
    # gRPC sends a deadline that is some percent less than an earlier one as it sent that.
    assert left[-1] < left[0] - 0.8, "three pauses of 0.8 s lie between"


@pytest.mark.usefixtures("longest_pauses")
def test_a_pause_that_is_longer_than_what_is_left_is_not_waited_for(connect, address, recorder):
    recorder.failures = [("ModelInfer", grpc.StatusCode.UNAVAILABLE, "loading", ())] * 5
    client = connect(address, retry=Retry(attempts=100, first=10 * PATIENCE, longest=10 * PATIENCE))
    start = time.monotonic()
    with pytest.raises(UnavailableError):
        client.infer("double", [[1, 2, 3]])
    assert recorder.calls.count("ModelInfer") == 1
    assert time.monotonic() - start < PATIENCE, "neither for the pause nor for the deadline"


def test_an_unknown_model_is_not_found(connect, address):
    with pytest.raises(NotFoundError, match="there is no model 'nothing'"):
        connect(address).infer("nothing", [1.0])


@pytest.mark.parametrize(
    "case",
    [
        ("double", np.zeros((1, 3)), r"input 'x' is FP32; float64 came.*astype\(np.float32\)"),
        ("double", {"z": [[1, 2, 3]]}, "no input 'z'; it has 'x'"),
        ("add", np.zeros((1, 2), np.int32), "has the inputs 'a', 'b'; pass arrays by name"),
        ("upper", [1], "takes bytes or str; int came"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_before_anything_is_sent(connect, address, recorder, case):
    model, inputs, text = case
    with pytest.raises(InputError, match=text):
        connect(address).infer(model, inputs)
    assert recorder.requests == []


def test_an_answer_that_contradicts_itself_is_refused(connect, address, recorder):
    recorder.answer = pb.ModelInferResponse(raw_output_contents=[b"1234"])
    recorder.answer.outputs.add(name="y", datatype="FP32", shape=[2])
    with pytest.raises(AnswerError, match=r"output 'y' is FP32 \[2\] and came as 4 bytes"):
        connect(address).infer("double", [[1, 2, 3]])


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "https://a:1/", "grpc://a:1"])
def test_a_web_address_is_refused_with_the_right_form(address):
    with pytest.raises(AddressError, match=r"is not a gRPC address; write '[^/]+:1'"):
        Client(address)


def test_clients_are_context_managers(address):
    with Client(address) as client:
        assert client.is_live()
    with pytest.raises(ValueError, match="closed"):
        client.is_live()

    async def use():
        async with AsyncClient(address) as client:
            return await client.is_live()

    assert asyncio.run(use())


def test_both_clients_have_the_same_methods():
    def methods(client):
        return {
            name: list(inspect.signature(method).parameters.values())
            for name, method in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_")
        }

    assert methods(Client) == methods(AsyncClient)


def test_an_asynchronous_client_awaits_many_answers_at_once(address):
    async def use():
        async with AsyncClient(address) as client:
            return await asyncio.gather(*(client.infer("double", [[i, i, i]]) for i in range(50)))

    assert [answer["y"][0, 0] for answer in asyncio.run(use())] == [2.0 * i for i in range(50)]
