"""deploy/Dockerfile and deploy/compose.yaml: linted, confined, and consistent with the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from activities.settings import Settings
from cli.temporal_server import DYNAMIC_CONFIG
from tests.reserved_ports import refusing_port
from tests.unit.deploy.chart import SCENARIOS, pod_spec, render

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
BIN = Path(sys.executable).parent

OTHERS = {
    *("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_TLS", "TEMPORAL_TLS_SERVER_NAME"),
    *("TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_TLS_SERVER_CA_CERT_PATH"),
    "OTEL_EXPORTER_OTLP_ENDPOINT",
}
"""Variables that Temporal's SDK and OpenTelemetry read themselves."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert isinstance(loaded, dict)
    return loaded


def ours(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if "build" in service}


def test_the_linter_finds_nothing_in_the_dockerfile() -> None:
    linted = subprocess.run(
        [BIN / "hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (linted.stdout, linted.returncode) == ("", 0)


def test_the_compose_file_fits_its_schema() -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout


def test_the_image_runs_as_a_user_without_a_name_for_root() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.M) == ["10001:10001"]
    assert re.search(r'^ENTRYPOINT \["opspawn"\]\nCMD \["api"\]$', DOCKERFILE, re.M)
    assert "\nHEALTHCHECK " in DOCKERFILE


def test_the_image_installs_no_development_server_and_nothing_without_a_hash() -> None:
    extras = re.search(r'^ARG EXTRAS="(.*)"$', DOCKERFILE, re.M)
    assert extras is not None
    assert extras[1].split() == ["memory", "s3"]
    installs = [line for line in DOCKERFILE.splitlines() if re.search(r"pip install", line)]
    assert len(installs) == 3
    assert all("--require-hashes" in line for line in installs[:2])  # the third is this project


def test_the_build_context_has_no_secrets_and_all_that_the_wheel_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"
    assert not {".git", ".venv", "deploy", "deploy/.env", "."} & kept
    project = (ROOT / "pyproject.toml").read_text()
    wheel = re.search(r"tool.hatch.build.targets.wheel\]\nonly-include = (\[.*\])", project)
    assert wheel is not None
    assert {*json.loads(wheel[1]), "deploy/wheel_hook.py", "worker.py", "pyproject.toml", "requirements.lock"} <= kept


def test_every_port_is_published_on_loopback_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not str(port).startswith("127.0.0.1:")] == []


def test_every_image_has_a_version(services: dict[str, Any]) -> None:
    for service in services.values():
        assert re.search(r":v?[0-9]+\.[0-9]+", service["image"]), service["image"]
        assert "latest" not in service["image"]


def test_our_containers_are_confined(services: dict[str, Any]) -> None:
    assert {"api", "worker", "setup", "keys"} == set(ours(services))
    for service in ours(services).values():
        assert (service["read_only"], service["cap_drop"], service["init"]) == (True, ["ALL"], True)
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service, "the image's own"
    assert services["worker"]["deploy"]["replicas"] == 2


def test_services_wait_for_what_they_need(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for other, dependency in service.get("depends_on", {}).items():
            if dependency["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for {other}"
            else:
                assert dependency["condition"] == "service_completed_successfully"
                assert services[other]["restart"].startswith("on-failure")


def test_a_worker_is_given_longer_than_its_activities(services: dict[str, Any]) -> None:
    worker = services["worker"]
    assert int(worker["stop_grace_period"].removesuffix("s")) > int(worker["environment"]["OPSPAWN_SHUTDOWN_TIMEOUT"])


def test_the_server_has_the_settings_of_opspawn_dev() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    content = yaml.safe_load(compose["configs"]["temporal-dynamic-config"]["content"])
    given = {key: str(values[0]["value"]).lower() for key, values in content.items()}
    assert given == dict(setting.split("=") for setting in DYNAMIC_CONFIG)


def test_the_example_sets_what_is_needed_and_every_variable_of_it_is_used(services: dict[str, Any]) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    example = (DEPLOY / "example.env").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    passed = {
        key for service in services.values() for key, value in service.get("environment", {}).items() if value is None
    }
    used = passed | set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    assert set(re.findall(r"^(\w+)=.+$", example, re.M)) == needed
    assert set(re.findall(r"^#?(\w+)=", example, re.M)) == used


def test_every_variable_of_the_manifests_is_a_setting(services: dict[str, Any]) -> None:
    variables = {name for service in ours(services).values() for name in service.get("environment", {})}
    variables |= set(re.findall(r"\b((?:OPSPAWN|AGENTKIT)_[A-Z_]+)=", DOCKERFILE))
    for values in SCENARIOS.values():
        for manifest in render(values):
            if manifest["kind"] == "ConfigMap":
                variables |= set(manifest["data"])
            if pod := pod_spec(manifest):
                variables |= {entry["name"] for entry in pod["containers"][0].get("env", [])}
    assert len(variables) > 30
    assert variables - Settings.variables() - OTHERS == set()


def test_api_and_workers_agree_on_what_decides_an_agents_tools(services: dict[str, Any]) -> None:
    api, worker = services["api"]["environment"], services["worker"]["environment"]
    shared = {"AGENTKIT_LTM_URL", "AGENTKIT_LLM_PROVIDER", "AGENTKIT_LLM_MODEL", "OPSPAWN_APP_NAME"}
    assert all(api[name] == worker[name] for name in shared | {"OPSPAWN_ENCRYPTION_KEYS", "TEMPORAL_NAMESPACE"})
    assert not {name for name in api if name.endswith("_API_KEY")}, "of models and stores: for workers"


def test_every_part_of_the_collectors_pipelines_is_configured() -> None:
    config = yaml.safe_load((DEPLOY / "otel-collector.yaml").read_text())
    for pipeline in config["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(config[kind])


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Healthy) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def healthcheck(*urls: str) -> int:
    command = [sys.executable, "-I", str(DEPLOY / "image" / "healthcheck.py"), *urls]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode


def test_the_health_check_succeeds_where_one_of_the_urls_responds(server: str) -> None:
    with refusing_port() as port:
        nothing = f"http://127.0.0.1:{port}/metrics"
        assert healthcheck(nothing, f"{server}/healthz") == 0
        assert healthcheck(nothing, f"{server}/readyz") == 1
