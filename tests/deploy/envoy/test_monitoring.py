"""What Prometheus scrapes and Grafana shows, against what the servers and Envoy really tell."""

import asyncio
import json
import re
import urllib.request

import pytest
import yaml
from patience import PATIENCE

OF_PROMETHEUS = {"instance", "job"}
"""Labels that Prometheus itself puts on everything."""

SAMPLE = re.compile(r"(?m)^(\w+)(?:\{(.*)\})? [\d.e+-]+$")
NAME = re.compile(r"\b(?:nv_inference|grpc_server|envoy_cluster)_\w+(?=[{\[)])")


@pytest.fixture(scope="module")
def dashboard(project):
    return json.loads((project / "deploy" / "grafana" / "plainserve.json").read_text())


@pytest.fixture(scope="module")
def told(running_fleet, project):
    """Labels by metric: the servers' and Envoy's, fetched by the paths that Prometheus is told."""
    running_fleet.complete()
    config = yaml.safe_load((project / "deploy" / "prometheus" / "prometheus.yml").read_text())
    paths = {job["job_name"]: job.get("metrics_path", "/metrics") for job in config["scrape_configs"]}
    ports = {"plainserve": running_fleet.servers[0].metrics_port, "envoy": running_fleet.envoy.metrics_port}
    assert paths.keys() == ports.keys()
    found = {}
    for job, path in paths.items():
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[job]}{path}", timeout=PATIENCE) as answer:
            for name, labels in SAMPLE.findall(answer.read().decode()):
                found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def queries(dashboard):
    return [target for panel in dashboard["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module", autouse=True)
def _asked(running_fleet, load):
    """One request of each outcome, so that every counter has been counted."""

    async def run():
        async with load(f"127.0.0.1:{running_fleet.envoy.port}", at_once=2) as running:
            await running.more(10)

    running_fleet.complete()
    asyncio.run(run())


def test_every_metric_that_is_shown_exists(dashboard, told):
    shown = {name for query in queries(dashboard) for name in NAME.findall(query["expr"])}
    assert len(shown) >= 12
    assert shown - told.keys() == set()


def test_every_label_that_is_asked_for_exists(dashboard, told):
    for query in queries(dashboard):
        labels = set.union(*(told[name] for name in NAME.findall(query["expr"]))) | OF_PROMETHEUS
        asked = {
            label.strip()
            for group in re.findall(r"by \(([^)]*)\)", query["expr"])
            for label in group.split(",")
        }
        asked |= set(re.findall(r"[{,](\w+)!?=", query["expr"]))
        assert asked <= labels, query["expr"]
        grouped = re.findall(r"by \(([^)]*)\)", query["expr"])
        for label in re.findall(r"\{\{(\w+)\}\}", query["legendFormat"]):
            assert all(label in group for group in grouped), query["legendFormat"]


def test_a_panel_says_what_it_shows_and_no_two_lie_on_each_other(dashboard):
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert all(panel["title"] and panel["description"] for panel in dashboard["panels"])
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)


def test_grafana_finds_the_dashboard_and_asks_prometheus(dashboard, compose, project):
    folder = project / "deploy" / "grafana"
    (source,) = yaml.safe_load((folder / "datasource.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards.yaml").read_text())["providers"]
    grafana = compose["services"]["grafana"]
    mounted = dict(volume.removesuffix(":ro").split(":") for volume in grafana["volumes"])
    shown = mounted["./deploy/grafana/plainserve.json"]
    assert shown.startswith(f"{provider['options']['path']}/")
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == shown
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
    port = compose["services"]["prometheus"]["ports"][0].rpartition(":")[2]
    assert source["url"] == f"http://prometheus:{port}"
