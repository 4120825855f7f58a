"""One line in the log for each request to a model; whoever calls this has asked the log whether it wants one."""

import logging
from collections.abc import Awaitable, Callable
from time import perf_counter_ns

from serving.dataplane.messages import InferRequest, InferResult
from serving.error_text import presentable
from serving.services.error_to_status import described

log = logging.getLogger("serving.requests")


async def logged(
    infer: Callable[[InferRequest], Awaitable[InferResult]], request: InferRequest, request_id: str
) -> InferResult:
    """Answer a request, and log how that went; what a client calls things is shortened.

    Args:
        infer: What answers it.
        request: The request.
        request_id: What its sender calls it.
    """
    start, version, code, message, times = perf_counter_ns(), request.version, "CANCELLED", "", {}
    try:
        result = await infer(request)
        version, code = result.version, "OK"
        times = {"queue_us": result.queue_ns // 1000, "infer_us": result.infer_ns // 1000}
    except Exception as error:
        status = described(error, log_fault=False)
        code, message = status[0].name, status[1]
        raise
    else:
        return result
    finally:
        fields: dict[str, object] = {
            "request_id": presentable(request_id),
            "model": presentable(request.model),
            "version": presentable(version),
            "code": code,
            **times,
            "total_us": (perf_counter_ns() - start) // 1000,
        }
        if message:
            fields["message"] = message
        log.info("request", extra={"fields": fields})
