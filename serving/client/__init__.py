"""A client for servers of the Open Inference Protocol: numpy arrays in, numpy arrays out.

    with Client("127.0.0.1:8001") as client:
        probabilities = client.infer("mnist_pss", images)["output"]

:func:`tls` makes credentials for servers that encrypt:

    Client("models.example:8001", credentials=tls("ca.pem"), token="3f1c0b8a6e5d4972a1b0c9d8e7f60512")

:class:`Client` blocks, :class:`AsyncClient` awaits; otherwise they are the same. Errors stand in
:mod:`serving.client.errors`.
"""

from serving.client.answer import Answer
from serving.client.asynchronous import AsyncClient
from serving.client.blocking import Client
from serving.client.errors import ClientError
from serving.client.metadata import ModelMetadata, TensorMetadata
from serving.client.retry import Retry
from serving.endpoint.client_credentials import tls

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "ClientError",
    "ModelMetadata",
    "Retry",
    "TensorMetadata",
    "tls",
]
