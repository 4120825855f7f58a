import re

from serving.metrics.call_counts import CallCounts
from serving.metrics.exposition import COUNTERS, exposition
from serving.repository.statistics import Run

LINE = re.compile(r'[a-z_]+\{([a-z_]+="(?:[^"\\\n]|\\["\\n])*"(,|(?=\})))*\} [0-9.e+-]+')


class Plane:
    """What metrics need of the dataplane."""

    def __init__(self, *models):
        self.models = models

    def loaded_models(self):
        return self.models

    def pending(self, _model):
        return 3


def test_each_family_has_help_type_and_a_sample_for_each_model(function_model):
    model = function_model(None)
    model.statistics.ran(Run(5, 0, 7_000, 0))
    model.statistics.answered(5, 90_000, 20_000, 1_000, Run(5, 3_000, 7_000, 2_000))
    model.statistics.failed("REJECTED", 10)
    lines = exposition(Plane(model), CallCounts()).splitlines()
    of = '{model="function",version="1"}'
    for name, value in (
        ("nv_inference_request_success", 1),
        ("nv_inference_count", 5),
        ("nv_inference_exec_count", 1),
        ("nv_inference_request_duration_us", 90),
        ("nv_inference_queue_duration_us", 20),
        ("nv_inference_compute_input_duration_us", 4),
        ("nv_inference_compute_infer_duration_us", 7),
        ("nv_inference_compute_output_duration_us", 2),
        ("nv_inference_pending_request_count", 3),
    ):
        assert f"{name}{of} {value}" in lines
        assert any(line.startswith(f"# HELP {name} ") for line in lines)
        assert sum(line.startswith(f"# TYPE {name} ") for line in lines) == 1
    failed = 'nv_inference_request_failure{model="function",version="1",reason='
    assert f'{failed}"REJECTED"}} 1' in lines
    assert f'{failed}"OTHER"}} 0' in lines
    assert all(line.startswith("# ") or LINE.fullmatch(line) for line in lines)
    assert len(COUNTERS) == 8


def test_names_cannot_break_out_of_their_label():
    counts = CallCounts()
    counts.of('/a.Service/"} 1\n\\').started += 1
    counts.of("/a.Service/Method").started += 1
    counts.of("/a.Service/Method").end("OK", 0.5)
    lines = exposition(Plane(), counts).splitlines()
    assert r'grpc_server_started_total{grpc_service="a.Service",grpc_method="\"} 1\n\\"} 1' in lines
    method = 'grpc_service="a.Service",grpc_method="Method"'
    assert f'grpc_server_handled_total{{{method},grpc_code="OK"}} 1' in lines
    assert f"grpc_server_handling_seconds_sum{{{method}}} 0.5" in lines
    assert all(line.startswith("# ") or LINE.fullmatch(line) for line in lines)
