"""The manifests for Kubernetes and KServe: valid, and in accord with the image, the commands and each other."""

import copy
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from grpc_health.v1 import health_pb2

import serving.cli
from plainserve import __version__
from serving.services import reflection
from serving.services.open_inference import inference_service
from serving.services.tensorflow_serving import model_service, prediction_service

OLDEST = "1.34"
"""What the manifests are promised to work with; preStop by sleep is settled there."""

PLAIN = ["deployment", "horizontalpodautoscaler", "persistentvolumeclaim", "poddisruptionbudget", "service"]


def read(path):
    return [*yaml.safe_load_all(Path(path).read_text())]


@pytest.fixture(scope="module")
def manifests(project):
    """The plain ones: all documents of all files, by kind and name."""
    files = sorted((project / "deploy" / "kubernetes").iterdir())
    assert [file.name for file in files] == [f"{name}.yaml" for name in PLAIN]
    return {(made["kind"], made["metadata"]["name"]): made for file in files for made in read(file)}


@pytest.fixture(scope="module")
def deployment(manifests):
    return manifests["Deployment", "plainserve"]


@pytest.fixture(scope="module")
def kserve(project):
    """The runtime and the service."""
    folder = project / "deploy" / "kserve"
    assert sorted(file.name for file in folder.iterdir()) == [
        "clusterservingruntime.yaml",
        "inferenceservice.yaml",
    ]
    return [*read(folder / "clusterservingruntime.yaml"), *read(folder / "inferenceservice.yaml")]


def pod_of_runtime(runtime):
    """The pod that KServe makes of a runtime, as far as the runtime decides."""
    spec = {key: runtime["spec"][key] for key in ("containers", "volumes")}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "predictor"}, "spec": spec}


@pytest.fixture(params=["kubernetes", "kserve"])
def pod(request, deployment, kserve):
    """The pod's own part of each way to run the server."""
    return (
        deployment["spec"]["template"]["spec"]
        if request.param == "kubernetes"
        else pod_of_runtime(kserve[0])["spec"]
    )


def container_of(pod):
    (container,) = pod["containers"]
    return container


def options_of(pod):
    return serving.cli.parser().parse_args(container_of(pod)["args"])


def security_of(pod):
    return {**pod.get("securityContext", {}), **container_of(pod)["securityContext"]}


def validate(manifest, version=OLDEST):
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_kubernetes_accepts_them(manifests, kserve, version):
    for manifest in (*manifests.values(), pod_of_runtime(kserve[0])):
        validate(manifest, version)


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec.update(replica=2),
        lambda spec: spec["template"]["spec"].update(terminationGracePeriodSeconds="50s"),
        lambda spec: container_of(spec["template"]["spec"])["readinessProbe"]["grpc"].pop("port"),
    ],
)
def test_a_mistake_in_them_would_be_noticed(deployment, change):
    made = copy.deepcopy(deployment)
    change(made["spec"])
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(made)


@pytest.mark.slow
def test_kserve_accepts_its_own_and_would_notice_a_mistake(ask, clients_python, kserve):
    runtime, service = copy.deepcopy(kserve)
    runtime["spec"]["supportedModelFormats"][0]["autoselect"] = False
    runtime["spec"]["containers"][0]["ports"][0]["containerPort"] = "8001"
    service["spec"]["predictor"]["model"]["protocol"] = "grpc-v2"
    told = ask("kserve_schema.py", {"manifests": [*kserve, runtime, service]}, clients_python)["complaints"]
    assert told == [
        [],
        [],
        [
            "ClusterServingRuntime.spec.supportedModelFormats.0.autoselect does not exist",
            "ClusterServingRuntime.spec.containers.0.ports.0.containerPort is no int",
        ],
        ["InferenceService.spec.predictor.model.protocol does not exist"],
    ]


def test_the_image_is_that_of_the_compose_file_in_this_version(pod, compose):
    assert container_of(pod)["image"] == f"{compose['services']['server']['image']}:{__version__}"


def test_it_runs_as_the_images_user_and_can_change_nothing(pod, dockerfile):
    security = security_of(pod)
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == dockerfile.setting("server", "USER")
    assert security["runAsNonRoot"] is True
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_image_needs_no_other_folder_to_write_than_tmp(pod, dockerfile):
    written = {each["mountPath"] for each in container_of(pod)["volumeMounts"] if not each.get("readOnly")}
    assert written == {"/tmp"}  # noqa: S108  the container's own
    assert "HOME=/tmp" in dockerfile.setting("server", "ENV")
    assert {each["name"] for each in container_of(pod)["volumeMounts"]} == {
        each["name"] for each in pod["volumes"]
    }


def test_its_arguments_are_understood_and_it_listens_to_all(pod):
    options = options_of(pod)
    assert options.host == "0.0.0.0"  # noqa: S104  in a pod: all that reaches it
    assert options.log_format == "json"


def test_the_repository_is_where_the_volume_is(deployment, manifests, dockerfile):
    pod = deployment["spec"]["template"]["spec"]
    mounted = {each["name"]: each for each in container_of(pod)["volumeMounts"]}
    (claim,) = [each for each in pod["volumes"] if "persistentVolumeClaim" in each]
    assert mounted[claim["name"]]["mountPath"] == str(options_of(pod).repository)
    assert mounted[claim["name"]]["readOnly"] is True
    assert str(options_of(pod).repository) in dockerfile.folders("server")
    assert ("PersistentVolumeClaim", claim["persistentVolumeClaim"]["claimName"]) in manifests


def test_the_runtime_serves_what_kserve_fetches_and_the_service_names_the_runtime(kserve, manifests):
    runtime, service = kserve
    model = service["spec"]["predictor"]["model"]
    assert str(options_of(pod_of_runtime(runtime)["spec"]).repository) == "/mnt/models"
    assert container_of(runtime["spec"])["name"] == "kserve-container"
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["modelFormat"]["name"] in {each["name"] for each in runtime["spec"]["supportedModelFormats"]}
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    assert ("PersistentVolumeClaim", model["storageUri"].removeprefix("pvc://")) in manifests
    annotations = runtime["spec"]["annotations"]
    metrics = options_of(pod_of_runtime(runtime)["spec"]).metrics_port
    assert annotations["prometheus.kserve.io/port"] == str(metrics)


def test_ports_are_those_that_the_server_listens_on(pod, dockerfile):
    options = options_of(pod)
    ports = {each["name"]: each["containerPort"] for each in container_of(pod)["ports"]}
    assert ports in ({"grpc": options.port, "metrics": options.metrics_port}, {"h2c": options.port})
    assert {str(port) for port in ports.values()} <= set(dockerfile.setting("server", "EXPOSE").split())


def test_services_lead_to_ports_of_the_pods_they_select(deployment, manifests):
    template = deployment["spec"]["template"]
    ports = {each["name"]: each["containerPort"] for each in container_of(template["spec"])["ports"]}
    labels = template["metadata"]["labels"].items()
    services = [made for (kind, _), made in manifests.items() if kind == "Service"]
    assert [made["spec"].get("clusterIP") for made in services] == [None, "None"]
    for made in services:
        assert made["spec"]["selector"].items() <= labels
        for port in made["spec"]["ports"]:
            assert port["port"] == ports[port["targetPort"]]
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"])


def test_what_scales_and_what_protects_concern_the_deployment(deployment, manifests):
    scaler = manifests["HorizontalPodAutoscaler", "plainserve"]["spec"]
    budget = manifests["PodDisruptionBudget", "plainserve"]["spec"]
    target = scaler["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (deployment["kind"], deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"]
    assert scaler["minReplicas"] >= 2  # else the budget would let nothing be moved, or nothing be protected
    assert budget == {"maxUnavailable": 1, "selector": deployment["spec"]["selector"]}
    assert "cpu" in container_of(deployment["spec"]["template"]["spec"])["resources"]["requests"]


def grace_of(pod):
    return pod.get("terminationGracePeriodSeconds", 30)


def pause_of(pod):
    return container_of(pod).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)


def test_a_pod_has_time_for_its_lame_duck_and_its_drain(pod):
    options = options_of(pod)
    assert pause_of(pod) + options.lame_duck_seconds + options.drain_seconds < grace_of(pod)


def test_a_pod_that_leaves_is_noticed_before_it_refuses(pod):
    probe = container_of(pod)["readinessProbe"]
    asked = probe.get("failureThreshold", 3) * probe["periodSeconds"]
    assert pause_of(pod) + options_of(pod).lame_duck_seconds >= min(asked, 5)


def test_probes_ask_the_port_of_grpc_for_names_that_the_server_knows(pod):
    container = container_of(pod)
    known = {"", "grpc.health.v1.Health", *reflection.SERVICES}
    known |= {each.SERVICE.full_name for each in (inference_service, model_service, prediction_service)}
    asked = {}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container[name]
        assert probe["grpc"]["port"] == options_of(pod).port
        assert probe["timeoutSeconds"] <= probe["periodSeconds"]
        asked[name] = probe["grpc"].get("service", "")
    assert set(asked.values()) <= known
    # A server whose models cannot answer gets no better by being restarted.
    assert (
        asked["livenessProbe"]
        == asked["startupProbe"]
        == health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    )
    assert asked["readinessProbe"] == ""


@pytest.mark.parametrize("name", ["deploy/kubernetes", "deploy/kserve", "docker-compose.yml"])
def test_no_image_is_called_latest(project, name):
    path = project / name
    files = path.iterdir() if path.is_dir() else [path]
    assert all(":latest" not in file.read_text() for file in files)
