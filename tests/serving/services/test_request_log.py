import asyncio
import logging

import pytest

from serving.dataplane.messages import InferRequest
from serving.error_text import MOST
from serving.errors import ModelNotFoundError
from serving.services.request_log import logged


def test_a_line_is_short_and_printable_whatever_a_client_calls_things(caplog):
    async def refuse(_request):
        raise ModelNotFoundError("there is no such model")

    caplog.set_level(logging.INFO, "serving.requests")
    request = InferRequest("m\n" * 1_000_000, "1" * 1_000_000, [])
    with pytest.raises(ModelNotFoundError):
        asyncio.run(logged(refuse, request, "i" * 1_000_000))
    (record,) = caplog.records
    texts = [record.fields[name] for name in ("request_id", "model", "version")]
    assert all(len(text) <= MOST and text.isprintable() for text in texts)
    assert record.fields["code"] == "NOT_FOUND"
