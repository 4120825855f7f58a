"""Logs one line for each request to a model. The caller checks whether the log level asks for it."""

import logging
from collections.abc import Awaitable, Callable
from time import perf_counter_ns

from serving.dataplane.messages import InferRequest, InferResult
from serving.error_text import sanitized
from serving.services.error_to_status import status_of

log = logging.getLogger("serving.requests")


async def logged(
    infer: Callable[[InferRequest], Awaitable[InferResult]], request: InferRequest, request_id: str
) -> InferResult:
    """Answer a request, and log the result. Names that clients chose are shortened.

    Args:
        infer: Answers the request.
        request: The request.
        request_id: The id that the client gave it.
    """
    start, version, code, message, times = perf_counter_ns(), request.version, "CANCELLED", "", {}
    try:
        result = await infer(request)
        version, code = result.version, "OK"
        times = {"queue_us": result.queue_ns // 1000, "infer_us": result.infer_ns // 1000}
    except Exception as error:
        status = status_of(error, log_fault=False)
        code, message = status[0].name, status[1]
        raise
    else:
        return result
    finally:
        fields: dict[str, object] = {
            "request_id": sanitized(request_id),
            "model": sanitized(request.model),
            "version": sanitized(version),
            "code": code,
            **times,
            "total_us": (perf_counter_ns() - start) // 1000,
        }
        if message:
            fields["message"] = message
        log.info("request", extra={"fields": fields})
