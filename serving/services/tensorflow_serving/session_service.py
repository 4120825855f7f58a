"""``tensorflow.serving.SessionService``: refused, with the reason.

Its messages are TensorFlow's own and not among our contracts, so reflection does not list it.
"""

from typing import NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty

from serving.errors import UnsupportedError
from serving.services.method_handlers import Traffic, of_messages, unary
from serving.services.request_peek import FirstLook

PATH = "/tensorflow.serving.SessionService/SessionRun"


def handler(traffic: Traffic) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """A handler that tells why SessionRun is not done.

    Args:
        traffic: Told of each call.
    """
    # Any message can be read as an Empty: what is unknown is skipped.
    return unary(of_messages(_refuse, Empty), traffic, PATH, FirstLook(Empty.DESCRIPTOR))


async def _refuse(_request: Empty, _deadline: float | None) -> NoReturn:
    raise UnsupportedError(
        "SessionRun names nodes of a TensorFlow graph, and this server runs without TensorFlow; use Predict, "
        "which names the model's inputs and outputs"
    )
