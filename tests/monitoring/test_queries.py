"""Every query of the alerts and of the dashboard finds series in a real Prometheus that scrapes real processes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from grpc import aio

from agentkit.testing import ScriptedOpenAIServer, ServerFailure, ServerResponse, ServerScriptEntry, ServerToolCall
from api.proto.opspawn.v1.tasks_pb2 import ListTasksRequest
from api.proto.opspawn.v1.tasks_pb2_grpc import TaskServiceStub
from tests.acceptance.conftest import Stack
from tests.monitoring.prometheus_server import running_prometheus
from tests.process_starter import ProcessStarter
from tests.reserved_ports import reserve_port
from tests.unit.deploy.monitoring_files import panel_expressions, rules, variables

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(240)]

AGENT = "model: openai:m\ntools: [calculator, refuse, stick, ask_person]\n"
SETTINGS = '[prices."openai:*"]\ninput = 1.0\noutput = 2.0\n'
TOOLS = '''
"""Tools that fail."""

import threading

from agentkit.tools import tool


@tool(effect="pure")
def refuse() -> str:
    """Fail."""
    raise ValueError("no")


@tool(effect="pure", timeout=0.2)
def stick() -> str:
    """Block beyond its timeout."""
    threading.Event().wait(120)
    return "too late"
'''
CALLS = (
    ServerToolCall(name="calculator", arguments={"expression": "6*7"}),
    ServerToolCall(name="refuse"),
    ServerToolCall(name="stick"),
    ServerToolCall(name="ask_person", arguments={"question": "Now?"}),
)
USAGE = (100, 20, 50)
SCRIPT: list[ServerScriptEntry] = [
    ServerFailure(status=503),
    ServerResponse(thinking="I need four tools for this. " * 4, calls=CALLS, usage=USAGE),
    ServerResponse(text="done", usage=USAGE),
    ServerFailure(status=429, headers={"retry-after": "600"}),
]

NOT_WITHIN_A_TEST = {"sum by (tool) (opspawn_tool_calls_slow)"}
"""It needs a call of 30 s. Its label is that of ``opspawn_tool_threads_abandoned``."""


@dataclass
class MonitoredStack(Stack):
    """Its worker serves metrics, and has a model with a price."""

    metrics_port: int = field(default_factory=reserve_port)
    model_url: str = ""

    @property
    def targets(self) -> Mapping[str, str]:
        """The addresses to scrape, by job."""
        addresses = {"opspawn-api": self.api_port, "opspawn-worker": self.metrics_port}
        return {job: f"127.0.0.1:{port}" for job, port in addresses.items()}

    def variables_of(self, name: str) -> Mapping[str, str]:
        return {
            "OPSPAWN_WORKER_METRICS": f"127.0.0.1:{self.metrics_port}",
            "OPENAI_BASE_URL": self.model_url,
            "OPENAI_API_KEY": "k",
            "OPSPAWN_OPENAI_API": "responses",
            "OPSPAWN_TOOL_HOST": "inline",
        }

    async def list_by_grpc(self) -> None:
        """Send a request over gRPC."""
        async with aio.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            await TaskServiceStub(channel).ListTasks(ListTasksRequest(), timeout=30)


@pytest.fixture
async def monitored(tmp_path: Path, process_starter: ProcessStarter) -> AsyncIterator[MonitoredStack]:
    """Start Temporal, a worker and an API."""
    async with ScriptedOpenAIServer(SCRIPT) as model:
        stack = MonitoredStack(tmp_path, reserve_port(), "monitored", process_starter=process_starter)
        stack.grpc_port, stack.model_url = reserve_port(), model.url
        stack.write_app()
        (stack.app_dir / "agents" / "clerk.yaml").write_text(AGENT)
        (stack.app_dir / "tools" / "clerk.py").write_text(TOOLS)
        (stack.app_dir / "opspawn.toml").write_text(SETTINGS)
        async with stack.running():
            yield stack


def left_side(expression: str) -> str:
    """Return an alert's query without its threshold."""
    return re.sub(r"\s(>|==)\s[\d.]+\s*$", "", expression)


def of_grafana(expression: str) -> str:
    """Return a panel's query as Grafana sends it where all agents and tenants are chosen."""
    return expression.replace("$__rate_interval", "1m").replace("$agent", ".*").replace("$tenant", ".*")


async def run_tasks(stack: MonitoredStack) -> str:
    """Produce every metric: failures of models, tools and tasks, an answer, a wait for a provider.

    Returns the id of the task whose model request waits.
    """
    task = await stack.submit("Go", agent="clerk")
    await stack.answer(task, "decline")
    assert (await stack.wait_for_end(task))["status"] == "completed"
    failed = await stack.submit("fail 400")
    assert (await stack.wait_for_end(failed))["status"] == "failed"
    await stack.list_by_grpc()
    return await stack.submit("Wait as the provider asks", agent="clerk")


async def test_every_query_finds_series_of_a_system_that_ran_tasks(monitored: MonitoredStack, tmp_path: Path) -> None:
    alerts = {rule["alert"]: rule["expr"] for rule in rules()}
    of_errors = alerts.pop("OpspawnApiErrors")
    down = {name: alerts.pop(name) for name in ("OpspawnApiDown", "OpspawnNoWorker")}
    async with running_prometheus(tmp_path, monitored.targets) as prometheus:
        for job in monitored.targets:
            await prometheus.until(f'up{{job="{job}"}} == 1', "it is scraped")
        waiting = await run_tasks(monitored)
        for expression in (*map(left_side, alerts.values()), *map(of_grafana, panel_expressions())):
            if expression in NOT_WITHIN_A_TEST:
                assert await prometheus.series(expression) == []
            else:
                await prometheus.until(expression, "a query of the alerts or of the dashboard")
        for variable in variables():
            found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable)
            assert found is not None
            assert await prometheus.labels(found[1], found[2]), variable
        for expression in down.values():
            await prometheus.until(f"absent({expression})", "no process is down")

        monitored.kill("worker")
        async with monitored.client() as client:
            assert (await client.get(f"/api/v1/tasks/{waiting}/transcript")).status_code == 503
        await prometheus.until(left_side(of_errors), "a response with a server error")
        monitored.kill("api")
        for alert in down:
            await prometheus.until(f'ALERTS{{alertname="{alert}"}}', "a job without a process")
        (group,) = (await prometheus.get("rules"))["groups"]
        assert {rule["health"] for rule in group["rules"]} == {"ok"}, group
