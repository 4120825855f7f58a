"""``tensorflow.serving.SessionService``: refused, with the reason.

Its messages are TensorFlow's own and not among our contracts, so reflection does not list it.
"""

from typing import NoReturn

from google.protobuf.empty_pb2 import Empty

from serving.errors import UnsupportedError
from serving.flow_control.flow_control import FlowControl
from serving.services.method_handlers import of_messages, unary
from serving.services.request_peek import RequestPeek
from serving.transport.transport import Method

PATH = "/tensorflow.serving.SessionService/SessionRun"


def methods(flow: FlowControl) -> dict[str, Method]:
    """The methods by path: SessionRun, which tells why it is not done.

    Args:
        flow: Told of each call.
    """
    # Any message can be read as an Empty: what is unknown is skipped.
    return {PATH: unary(of_messages(_refuse, Empty), flow, PATH, RequestPeek(Empty.DESCRIPTOR))}


async def _refuse(_request: Empty, _deadline: float | None) -> NoReturn:
    raise UnsupportedError(
        "SessionRun names nodes of a TensorFlow graph, and this server runs without TensorFlow; use Predict, "
        "which names the model's inputs and outputs"
    )
