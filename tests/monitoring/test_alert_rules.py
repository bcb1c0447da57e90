"""Each alert fires on the series that it is for, and not on those of a healthy system: ``promtool`` evaluates them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.prometheus_server import RULES, promtool
from tests.unit.deploy.monitoring_files import rules

pytestmark = pytest.mark.prometheus

API, WORKER = 'up{job="opspawn-api",instance="a:1"}', 'up{job="opspawn-worker",instance="w:1"}'
SLOTS = "temporal_worker_task_slots_available"
REQUESTS = 'opspawn_http_requests_total{route="/api/v1/tasks",status="%s"}'
MODEL = 'gen_ai_client_inference_duration_count{agent="a",provider="openai",model="m",error_type="%s"}'
TOOL = 'gen_ai_execute_tool_duration_count{agent="a",tool="pay",error_type="%s"}'
ENDED = 'opspawn_tasks_ended{agent="a",tenant="t",status="%s"}'


@dataclass(frozen=True)
class Case:
    """Series in promtool's notation, a value a minute; and what must become of them."""

    alert: str
    fires_on: Mapping[str, str]
    """Series that the alert is for."""
    silent_on: Mapping[str, str]
    """Series of the same metrics that it isn't for."""
    summary: str
    """Of the alert, with its values."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the alert, besides ``severity``."""
    at: str = "35m"


def histogram(name: str, counts: Mapping[str, int], labels: str = "") -> dict[str, str]:
    """Return the series of a histogram to whose buckets so many observations a minute are added."""
    return {f'{name}_bucket{{{labels}le="{le}"}}': f"0+{count}x40" for le, count in counts.items()}


CASES = [
    Case(
        "OpspawnApiDown", {API: "1x5 0x40"}, {API: "0x40", API.replace("a:1", "a:2"): "1x40"}, "No API process responds"
    ),
    Case("OpspawnNoWorker", {API: "1x40"}, {WORKER: "1x40"}, "No worker responds"),
    Case(
        "OpspawnTasksWaitForWorkers",
        histogram("opspawn_task_queue_time", {"10": 0, "60": 10, "+Inf": 10}),
        histogram("opspawn_task_queue_time", {"1": 9, "10": 10, "60": 10, "+Inf": 10}),
        "Tasks wait 57.5s for a worker",
    ),
    Case(
        "OpspawnWorkflowTasksLate",
        histogram("temporal_workflow_task_schedule_to_start_latency", {"1": 0, "5": 10, "+Inf": 10}),
        histogram("temporal_workflow_task_schedule_to_start_latency", {"1": 10, "5": 10, "+Inf": 10}),
        "Workflow tasks wait 4.8s for a worker",
    ),
    Case(
        "OpspawnWorkerFull",
        {f'{SLOTS}{{instance="w:1",task_queue="opspawn",worker_type="ActivityWorker"}}': "3 0x40"},
        {
            f'{SLOTS}{{instance="w:1",task_queue="opspawn",worker_type="ActivityWorker"}}': "0x3 1 0x3 1 0x3 1x40",
            f'{SLOTS}{{instance="w:1",task_queue="opspawn",worker_type="LocalActivityWorker"}}': "0x40",
        },
        "Worker w:1 has had no free slot on opspawn for five minutes",
        {"instance": "w:1", "task_queue": "opspawn"},
    ),
    Case(
        "OpspawnTasksFail",
        {ENDED % "failed": "0+3x40", ENDED % "completed": "0+7x40"},
        {ENDED % "failed": "0+1x40", ENDED % "completed": "0+9x40"},
        "30% of the tasks of agent a fail",
        {"agent": "a"},
    ),
    Case(
        "OpspawnModelFails",
        {MODEL % "ModelUnavailable": "0+4x40", MODEL % "": "0+6x40"},
        {MODEL % "ModelUnavailable": "0+1x40", MODEL % "": "0+9x40"},
        "40% of the requests to openai:m fail",
        {"provider": "openai", "model": "m"},
    ),
    Case(
        "OpspawnToolFails",
        {TOOL % "ToolError": "0+6x40", TOOL % "": "0+4x40"},
        {TOOL % "ToolError": "0+4x40", TOOL % "": "0+6x40"},
        "60% of the calls of pay fail",
        {"tool": "pay"},
    ),
    Case(
        "OpspawnToolThreadsAbandoned",
        {'opspawn_tool_threads_abandoned{instance="w:1",tool="pay"}': "2x40"},
        {'opspawn_tool_threads_abandoned{instance="w:1",tool="pay"}': "2x10 0x40"},
        "2 threads of pay on w:1 don't end",
        {"instance": "w:1", "tool": "pay"},
    ),
    Case(
        "OpspawnPeopleAreWaitedFor",
        {'opspawn_tasks_waiting{instance="a:1",older_than="86400"}': "3x40"},
        {
            'opspawn_tasks_waiting{instance="a:1",older_than="3600"}': "3x40",
            'opspawn_tasks_waiting{instance="a:1",older_than="86400"}': "0x40",
        },
        "3 tasks have waited for a person for over a day",
    ),
    Case(
        "OpspawnApiErrors",
        {REQUESTS % 503: "0+10x40", REQUESTS % 200: "0+90x40"},
        {
            REQUESTS % 503: "0+4x40",
            REQUESTS % 200: "0+96x40",
            'opspawn_http_requests_total{route="/readyz",status="503"}': "0+100x40",
        },
        "10% of the API's responses are server errors",
    ),
    Case(
        "OpspawnCostIsHigh",
        {'opspawn_model_cost_micro_usd{agent="a",tenant="t"}': "0+1000000x90"},
        {'opspawn_model_cost_micro_usd{agent="a",tenant="t"}': "0+500000x90"},
        "Models have cost 60 US dollars in an hour",
        at="75m",
    ),
]


def test_every_alert_has_a_case() -> None:
    assert [case.alert for case in CASES] == [rule["alert"] for rule in rules()]


def test_the_rules_are_valid() -> None:
    assert f"{len(CASES)} rules found" in promtool("check", "rules", RULES / "alerts.yaml")
    promtool("check", "config", "--syntax-only", RULES / "prometheus.yml")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_on_its_series_only(case: Case, tmp_path: Path) -> None:
    rule = next(rule for rule in rules() if rule["alert"] == case.alert)
    fired = {
        "exp_labels": {**rule["labels"], **case.labels},
        "exp_annotations": {"summary": case.summary, "description": rule["annotations"]["description"]},
    }
    tests = [_test(case, case.fires_on, [fired]), _test(case, case.silent_on, [])]
    file = tmp_path / "cases.yaml"
    file.write_text(json.dumps({"rule_files": [str(RULES / "alerts.yaml")], "tests": tests}))  # JSON is YAML
    promtool("test", "rules", file)


def _test(case: Case, series: Mapping[str, str], alerts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": alerts}],
    }
