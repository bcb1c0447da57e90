from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from activities.telemetry.task_metrics import TaskMetrics
from tests.recorded_labels import meter_of
from tests.reserved_ports import reserve_port

PROGRAM = """
import asyncio, sys
import httpx2
from activities.telemetry.task_metrics import TaskMetrics
from activities.temporal.worker_metrics import start_metrics
from agentkit.messages import Usage

async def main(address):
    metrics = TaskMetrics(start_metrics(address))
    labels = {"agent": "a", "tenant": "t"}
    parts = {"cached_tokens": 1, "cache_write_tokens": 1, "reasoning_tokens": 1}
    usage = Usage(input_tokens=7, output_tokens=5, cost_usd=0.5, **parts)
    metrics.model_request(2.0, {**labels, "provider": "p", "model": "m"}, usage, "")
    metrics.model_request(2.0, {**labels, "provider": "p", "model": "m"}, None, "ModelUnavailable")
    metrics.tool_call(2.0, {**labels, "tool": "look"}, "")
    metrics.embeddings(2.0, "minilm", "")
    metrics.task_started(-1.0, labels)
    metrics.task_ended(2.0, labels, "completed")
    metrics.input_request_ended(2.0, labels, "approval")
    async with httpx2.AsyncClient(trust_env=False) as client:
        print((await client.get(f"http://{address}/metrics")).text)

asyncio.run(main(sys.argv[1]))
"""
_DOCUMENTED = re.compile(r"^\| `((?:gen_ai|opspawn)_\w+)`", re.MULTILINE)
REFERENCE = Path(__file__).parents[4] / "docs/reference/metrics.md"


def test_the_metrics_of_tasks_are_those_of_the_reference() -> None:
    command = [sys.executable, "-c", PROGRAM, f"127.0.0.1:{reserve_port()}"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    names = set(re.findall(r"^# TYPE ((?:gen_ai|opspawn)_\w+)", text, re.MULTILINE))
    reference = REFERENCE.read_text()
    prefix = "gen_ai_client_inference_usage"
    undocumented = [name for name in names if name not in reference and name.removeprefix(prefix) not in reference]
    assert len(names) == 13
    assert not undocumented
    documented = set(_DOCUMENTED.findall(reference.partition("## Of the API")[0]))
    assert documented - names == {"opspawn_tool_calls", "opspawn_model_wait_seconds"}, "those of other modules"
    values = {line.partition("{")[0]: line.rpartition(" ")[2] for line in text.splitlines()}
    assert values["opspawn_model_cost_micro_usd"] == "500000"
    assert values["gen_ai_execute_tool_duration_sum"] == "2"
    assert values[f"{prefix}_input_tokens"] == "7"


def test_a_label_has_a_bounded_number_of_values() -> None:
    found: list[dict[str, str]] = []
    metrics = TaskMetrics(meter_of(found), {"agent": {"buyer"}})
    for number in range(1_000):
        metrics.tool_call(1.0, {"agent": f"agent-{number}", "tenant": "t", "tool": "look"}, "")
    metrics.tool_call(1.0, {"agent": "agent-7", "tenant": "t", "tool": "look"}, "")
    assert len({labels["agent"] for labels in found}) == 201
    assert found[-2] == {"agent": "other", "tenant": "t", "tool": "look", "error_type": ""}
    assert found[-1]["agent"] == "agent-7", "those that were there first keep their names"
    metrics.tool_call(1.0, {"agent": "buyer", "tenant": "t", "tool": "look"}, "")
    assert found[-1]["agent"] == "buyer", "known names are always labels"
