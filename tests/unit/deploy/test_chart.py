"""The chart renders valid objects whose pods are confined, and refuses values that can't work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest

from tests.unit.deploy.chart import CHART, NEEDED, SCENARIOS, Manifest, merged, pod_spec, render

CUSTOM = {
    "ScaledObject": "keda.sh/v1alpha1",
    "TriggerAuthentication": "keda.sh/v1alpha1",
    "WorkerDeployment": "temporal.io/v1alpha1",
    "Connection": "temporal.io/v1alpha1",
    "WorkerResourceTemplate": "temporal.io/v1alpha1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "ExternalSecret": "external-secrets.io/v1",
}
"""Kinds that kubernetes-validate doesn't know."""
KUBERNETES = "1.34"

KNOWN_FIELDS = {
    "ScaledObject": {
        *("scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "triggers"),
    },
    "TriggerAuthentication": {"secretTargetRef"},
    "WorkerDeployment": {"replicas", "template", "rollout", "sunset", "workerOptions"},
    "Connection": {"hostPort", "tls", "mutualTLSSecretRef", "apiKeySecretRef"},
    "WorkerResourceTemplate": {"workerDeploymentRef", "template"},
    "PodMonitor": {"selector", "podMetricsEndpoints"},
    "ExternalSecret": {"refreshInterval", "secretStoreRef", "target", "data"},
}
"""Fields of their ``spec``, as KEDA 2.22, Temporal's worker controller 1.8 and the other operators document them."""
KEDA_METADATA = {
    *("endpoint", "namespace", "taskQueue", "queueTypes", "targetQueueSize", "tlsServerName"),
    *("workerDeploymentName", "workerDeploymentBuildId"),
}


@pytest.fixture(scope="module", params=list(SCENARIOS))
def objects(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(SCENARIOS[request.param])


def named(objects: list[Manifest], kind: str, name: str | None = None) -> Manifest:
    (found,) = (item for item in objects if item["kind"] == kind and (name is None or item["metadata"]["name"] == name))
    return found


def environment(objects: list[Manifest], component: str) -> dict[str, str]:
    """Return the variables of the ConfigMaps of a component's container."""
    pods = [pod for item in objects if (pod := pod_spec(item)) and pod["containers"][0]["name"] == component]
    names = [
        source["configMapRef"]["name"] for source in pods[0]["containers"][0]["envFrom"] if "configMapRef" in source
    ]
    return {key: value for name in names for key, value in named(objects, "ConfigMap", name)["data"].items()}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_helm_lint_finds_nothing(scenario: str) -> None:
    report = helm.lint(CHART, merged(SCENARIOS[scenario]), strict=True)
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


def test_every_object_fits_its_schema(objects: list[Manifest]) -> None:
    for item in objects:
        if item["kind"] in CUSTOM:
            assert item["apiVersion"] == CUSTOM[item["kind"]]
            assert set(item["spec"]) <= KNOWN_FIELDS[item["kind"]]
            for trigger in item["spec"].get("triggers", []):
                assert set(trigger["metadata"]) <= KEDA_METADATA
                assert {type(value) for value in trigger["metadata"].values()} == {str}
        else:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == "agents"


def test_names_are_short_enough_for_what_kubernetes_appends() -> None:
    with helm.Chart.load(CHART) as chart:
        values = merged(SCENARIOS["versions and KEDA"])
        files = chart.render(values, name="a" * 53, namespace="prod")
    names = [line.split()[1] for text in files.values() for line in text.splitlines() if line.startswith("  name: ")]
    assert names
    assert max(len(name) for name in names) <= 63


def test_every_pod_is_confined(objects: list[Manifest]) -> None:
    pods = [pod for item in objects if (pod := pod_spec(item)) is not None]
    assert len(pods) >= 2
    for pod in pods:
        security = pod["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"], security["fsGroup"]) == (True, 10001, 10001)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False, "a Service named opspawn would set OPSPAWN_PORT"
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        for volume in pod["volumes"]:
            assert "hostPath" not in volume
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert {"/tmp", "/var/lib/opspawn"} <= {mount["mountPath"] for mount in container["volumeMounts"]}


def test_selectors_match_the_pods_and_only_them(objects: list[Manifest]) -> None:
    templates = {
        item["metadata"]["name"]: item["spec"]["template"]["metadata"]["labels"] for item in objects if pod_spec(item)
    }
    for item in objects:
        spec = item.get("spec", {})
        if item["kind"] in ("Deployment", "StatefulSet"):
            selected = [
                name for name, labels in templates.items() if spec["selector"]["matchLabels"].items() <= labels.items()
            ]
            assert selected == [item["metadata"]["name"]]
        if item["kind"] in ("PodDisruptionBudget", "NetworkPolicy"):
            wanted = spec["selector" if "selector" in spec else "podSelector"]["matchLabels"]
            assert any(wanted.items() <= labels.items() for labels in templates.values())


def test_probes_ask_what_the_processes_serve() -> None:
    objects = render({})
    api = pod_spec(named(objects, "StatefulSet"))
    worker = pod_spec(named(objects, "Deployment"))
    assert api is not None
    assert worker is not None
    paths = {kind: api["containers"][0][kind]["httpGet"]["path"] for kind in ("livenessProbe", "readinessProbe")}
    assert paths == {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert worker["containers"][0]["livenessProbe"]["httpGet"] == {"path": "/metrics", "port": "metrics"}


def test_a_worker_is_given_longer_than_its_activities() -> None:
    objects = render({"worker": {"shutdownTimeout": 300}})
    pod = pod_spec(named(objects, "Deployment"))
    assert pod is not None
    assert environment(objects, "worker")["OPSPAWN_SHUTDOWN_TIMEOUT"] == "300"
    assert pod["terminationGracePeriodSeconds"] > 300


def test_workers_send_tokens_to_each_api_process() -> None:
    objects = render({"api": {"replicas": 3}})
    service = named(objects, "StatefulSet")["spec"]["serviceName"]
    assert named(objects, "Service", service)["spec"]["clusterIP"] == "None"
    assert environment(objects, "worker")["OPSPAWN_RELAY_ADDRESSES"].split(",") == [
        f"agents-opspawn-api-{number}.{service}:8001" for number in range(3)
    ]


@pytest.mark.parametrize(
    ("memory", "variable", "value"),
    [({}, "AGENTKIT_LTM_PROVIDER", "off"), ({"url": "http://q:6333"}, "AGENTKIT_LTM_URL", "http://q:6333")],
)
def test_api_and_workers_agree_on_what_decides_an_agents_tools(
    memory: dict[str, str], variable: str, value: str
) -> None:
    objects = render({"memory": memory, "app": {"defaultProvider": "openai"}})
    api, worker = environment(objects, "api"), environment(objects, "worker")
    assert api[variable] == worker[variable] == value
    assert api["AGENTKIT_LLM_PROVIDER"] == worker["AGENTKIT_LLM_PROVIDER"] == "openai"
    assert api["OPSPAWN_TASK_QUEUE"] == worker["OPSPAWN_TASK_QUEUE"]


def test_keys_of_models_reach_workers_only() -> None:
    objects = render(SCENARIOS["external secrets"])

    def secrets(kind: str) -> list[str]:
        pod = pod_spec(named(objects, kind))
        assert pod is not None
        return [source["secretRef"]["name"] for source in pod["containers"][0]["envFrom"] if "secretRef" in source]

    assert secrets("StatefulSet") == ["agents-opspawn-env"]
    assert secrets("Deployment") == ["agents-opspawn-env", "agents-opspawn-worker-env"]
    made = named(objects, "ExternalSecret", "agents-opspawn-worker-env")
    assert [entry["secretKey"] for entry in made["spec"]["data"]] == ["OPENAI_API_KEY"]


def test_each_version_has_a_deployment_a_build_id_and_a_scaler() -> None:
    objects = render(SCENARIOS["versions and KEDA"])
    deployments = [item for item in objects if item["kind"] == "Deployment"]
    versions: dict[str, tuple[str, str]] = {}
    for item in deployments:
        container = item["spec"]["template"]["spec"]["containers"][0]
        (build_id,) = (entry["value"] for entry in container["env"] if entry["name"] == "OPSPAWN_BUILD_ID")
        versions[build_id] = (container["image"], item["metadata"]["name"])
    assert {build_id: image for build_id, (image, _) in versions.items()} == {
        "2.0.0": "opspawn:2.0.0",
        "1.9.0+a": "opspawn:1.9.0",
    }
    assert environment(objects, "api")["TEMPORAL_DEPLOYMENT_NAME"] == "agents-opspawn"
    for build_id, (_, name) in versions.items():
        scaler = named(objects, "ScaledObject", name)["spec"]
        trigger = scaler["triggers"][0]["metadata"]
        assert scaler["scaleTargetRef"]["name"] == name
        assert (trigger["workerDeploymentName"], trigger["workerDeploymentBuildId"]) == ("agents-opspawn", build_id)
    assert all("replicas" not in item["spec"] for item in deployments), "KEDA alone sets them"


def test_the_worker_controller_replaces_deployments() -> None:
    objects = render(SCENARIOS["worker controller"])
    assert "Deployment" not in {item["kind"] for item in objects}
    spec = named(objects, "WorkerDeployment")["spec"]
    assert "replicas" not in spec
    assert spec["workerOptions"]["connectionRef"]["name"] == named(objects, "Connection")["metadata"]["name"]
    assert environment(objects, "api")["TEMPORAL_DEPLOYMENT_NAME"] == "prod/agents-opspawn-worker"
    template = named(objects, "WorkerResourceTemplate")["spec"]["template"]
    kubernetes_validate.validate(
        template
        | {"metadata": {"name": "hpa"}}
        | {"spec": template["spec"] | {"scaleTargetRef": {"kind": "Deployment", "name": "x"}}},
        KUBERNETES,
        strict=True,
    )


def test_autoscaling_and_monitoring_are_off_by_default() -> None:
    assert set(CUSTOM).isdisjoint(item["kind"] for item in render({}))


def test_a_worker_cannot_reach_the_credentials_of_the_cloud_and_nobody_calls_it() -> None:
    policy = named(render({}), "NetworkPolicy", "agents-opspawn-worker")["spec"]
    assert [entry["ports"][0]["port"] for entry in policy["ingress"]] == ["metrics"]
    assert policy["egress"][1]["to"][0]["ipBlock"]["except"] == ["169.254.169.254/32"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temporal": {"address": "temporal.example.com"}}, "temporal.*address"),
        ({"temporal": {"adress": "a:1"}}, "adress"),
        ({"replicas": 3}, "replicas"),
        ({"api": {"replicas": 0}}, "minimum"),
        ({"worker": {"shutdownTimeout": "60s"}}, "shutdownTimeout"),
        ({"settings": {"OPSPAWN_RATE_LIMIT": 1048576}}, "string"),
        ({"settings": {"OPSPAWN_ENCRYPTION_KEYS": "a:b"}}, "OPSPAWN_ENCRYPTION_KEYS"),
        ({"settings": {"OPSPAWN_TASK_QUEUE": "q"}}, "OPSPAWN_TASK_QUEUE"),
        ({"settings": {"AGENTKIT_LTM_URL": "http://q"}}, "AGENTKIT_LTM_URL"),
        ({"image": {"tag": "a:b"}}, "tag"),
        ({"keda": {"minReplicas": 0}}, "minimum"),
        ({"workerController": {"rollout": {"strategy": "Progressive"}}}, "steps"),
        ({"payloads": {"storage": "gs://bucket"}}, "storage"),
        ({"auth": {"keysSecret": {"name": ""}}}, "auth.keysSecret.name or auth.oidc.issuer"),
        ({"auth": {"oidc": {"issuer": "https://a.example.com"}}}, "together"),
        ({"payloads": {"storage": ""}}, "payloads.storage"),
        ({"keda": {"enabled": True}, "workerController": {"enabled": True}}, "replaces keda"),
        ({"telemetry": {"podMonitor": {"enabled": True}}}, "apiKeySecret"),
        ({"secrets": {"existingSecret": "a", "externalSecret": {"enabled": True}}}, "set one of them"),
    ],
)
def test_values_that_cannot_work_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(helm.HelmError, match=rf"(?s){message}"):
        render(values)


def test_without_temporal_the_chart_says_what_is_missing() -> None:
    values = {key: value for key, value in NEEDED.items() if key != "temporal"}
    with helm.Chart.load(CHART) as chart, pytest.raises(helm.HelmError, match="address"):
        chart.render(values, name="agents")


def test_the_chart_has_the_version_of_the_package() -> None:
    project = (Path(CHART).parents[2] / "pyproject.toml").read_text()
    with helm.Chart.load(CHART) as chart:
        assert f'\nversion = "{chart.metadata["appVersion"]}"\n' in project
