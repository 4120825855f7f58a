import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.error_text import MOST, presentable


@pytest.mark.parametrize(
    "text", ["", "input 'x' has shape [-1,3]; got [2,2]", "Füße, \N{GRINNING FACE}", "x" * MOST]
)
def test_what_can_be_printed_stays_as_it_is(text):
    assert presentable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nERROR: forged", "a\\nERROR: forged"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\0", "\\x00"),
        ("\u202eleft", "\\u202eleft"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_cannot_be_printed_is_escaped(text, shown):
    assert presentable(text) == shown
    assert presentable(text).isprintable()


@pytest.mark.parametrize("filling", ["x", "ü", "\N{GRINNING FACE}", "\n", "\0"])
def test_a_long_text_keeps_its_beginning_and_its_end(filling):
    text = presentable(f"there is no model '{filling * 100_000}' here; load it")
    assert text.startswith("there is no model '")
    assert text.endswith(" here; load it")
    assert " ... " in text
    assert len(text.encode()) <= MOST
    assert text.isprintable()


@pytest.mark.parametrize("name", ["n" * 100_000, "\N{GRINNING FACE}" * 20_000, "\n" * 50_000])
def test_a_name_of_any_length_is_answered_with_a_status(full_server, name):
    """Above 8 KiB a client would drop the status and say RESOURCE_EXHAUSTED by itself."""
    with grpc.insecure_channel(full_server.address) as channel:
        with pytest.raises(grpc.RpcError) as error:
            GRPCInferenceServiceStub(channel).ModelInfer(
                pb.ModelInferRequest(model_name=name), timeout=PATIENCE
            )
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
        assert error.value.details().startswith("Request for unknown model: there is no model '")
        with pytest.raises(grpc.RpcError) as error:
            health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE
            )
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
