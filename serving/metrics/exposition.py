"""The metrics of a server in the text format of Prometheus, by the names that Triton uses."""

from collections.abc import Callable, Iterable

from serving.dataplane.dataplane import DataPlane
from serving.metrics.call_counts import CallCounts
from serving.metrics.family import family
from serving.repository.model import LoadedModel
from serving.repository.statistics import Statistics

MICROSECOND = 1000

COUNTERS: tuple[tuple[str, str, Callable[[Statistics], int]], ...] = (
    ("nv_inference_request_success", "requests that were answered", lambda each: each.success.count),
    ("nv_inference_count", "rows that were answered", lambda each: each.rows),
    ("nv_inference_exec_count", "runs of the model", lambda each: each.runs),
    (
        "nv_inference_request_duration_us",
        "microseconds from arrival to answer, summed over requests",
        lambda each: each.success.ns // MICROSECOND,
    ),
    (
        "nv_inference_queue_duration_us",
        "microseconds that requests waited, summed",
        lambda each: each.queue.ns // MICROSECOND,
    ),
    (
        "nv_inference_compute_input_duration_us",
        "microseconds of decoding and joining requests, summed over requests",
        lambda each: each.input.ns // MICROSECOND,
    ),
    (
        "nv_inference_compute_infer_duration_us",
        "microseconds of the model itself, summed over requests",
        lambda each: each.infer.ns // MICROSECOND,
    ),
    (
        "nv_inference_compute_output_duration_us",
        "microseconds of cutting answers apart, summed over requests",
        lambda each: each.output.ns // MICROSECOND,
    ),
)
"""The metrics of each loaded model: name, help text, and how to read the value from its statistics."""


def exposition(plane: DataPlane, counts: CallCounts) -> str:
    """The current metrics."""
    models = plane.loaded_models()
    families = [
        *(
            family(name, "counter", about, ((_of(model), read(model.statistics)) for model in models))
            for name, about, read in COUNTERS
        ),
        family(
            "nv_inference_request_failure",
            "counter",
            "requests that were not answered, by reason",
            (
                ({**_of(model), "reason": reason}, count)
                for model in models
                for reason, count in ({"OTHER": 0} | model.statistics.failures).items()
            ),
        ),
        family(
            "nv_inference_pending_request_count",
            "gauge",
            "requests that wait",
            ((_of(model), plane.pending(model)) for model in models),
        ),
        *_calls(counts),
    ]
    return "".join(families)


def _calls(counts: CallCounts) -> Iterable[str]:
    called = list(counts.called())
    yield family(
        "grpc_server_started_total",
        "counter",
        "calls that arrived",
        ((_method(method), calls.started) for method, calls in called),
    )
    yield family(
        "grpc_server_handled_total",
        "counter",
        "calls that ended, by status code",
        (
            ({**_method(method), "grpc_code": code}, count)
            for method, calls in called
            for code, count in sorted(calls.codes.items())
        ),
    )
    yield family(
        "grpc_server_handling_seconds_sum",
        "counter",
        "seconds of the calls that ended, summed",
        ((_method(method), calls.seconds) for method, calls in called),
    )


def _of(model: LoadedModel) -> dict[str, str]:
    return {"model": model.name, "version": model.version}


def _method(full: str) -> dict[str, str]:
    service, _, method = full.strip("/").rpartition("/")
    return {"grpc_service": service, "grpc_method": method}
