"""Reads what servers have counted: the statistics of models, and the metrics, without times."""

import re
import urllib.request

import grpc
from patience import PATIENCE

from protos import open_inference_pb2 as pb

STATISTICS = "/inference.GRPCInferenceService/ModelStatistics"

_TIMES_AND_RUNS = re.compile(r"\w+_(?:duration_us|seconds_sum|exec_count|pending_request_count)\b|process_")


def statistics(address: str) -> dict[tuple[str, str], pb.ModelStatistics]:
    """The statistics of each version."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            STATISTICS,
            request_serializer=pb.ModelStatisticsRequest.SerializeToString,
            response_deserializer=pb.ModelStatisticsResponse.FromString,
        )
        answer = call(pb.ModelStatisticsRequest(), timeout=PATIENCE)
    return {(each.name, each.version): each for each in answer.model_stats}


def rows_and_runs(address: str, model: str, version: str = "1") -> tuple[int, int]:
    """How many rows a model has answered, and in how many runs."""
    found = statistics(address)[model, version]
    return found.inference_count, found.execution_count


def counts(address: str, metrics: str) -> dict[str, int]:
    """Everything that does not depend on time, by name."""
    found = {}
    for (name, version), each in statistics(address).items():
        found[f"{name} {version} rows"] = each.inference_count
        for field, duration in each.inference_stats.ListFields():
            found[f"{name} {version} {field.name}"] = duration.count
    with urllib.request.urlopen(metrics, timeout=PATIENCE) as page:  # noqa: S310  http
        lines = page.read().decode().splitlines()
    for line in lines:
        series, _, value = line.rpartition(" ")
        if not line.startswith("#") and not _TIMES_AND_RUNS.match(series):
            found[series] = int(float(value))
    return found


def more(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """What was counted in between."""
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in grown.items() if count}
