"""The workers of ``benchmarks.feature_costs``: one for each feature, with an app directory and variables of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from httpx2 import AsyncClient, TransportError
from temporalio.client import Client, WorkflowHandle

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from activities.temporal.encryption.encrypted_payloads import id_suffix
from activities.temporal.task_queue_pollers import describe_task_queue
from agentkit.catalog.catalog import load_catalog
from agentkit.interfaces import DEFAULT_TENANT
from agentkit.messages import user_message
from api.tasks.starting.task_start import new_task_id
from benchmarks.lookup_task import INPUT, INSTRUCTIONS
from benchmarks.process_cpu import CpuTime, cpu_time
from benchmarks.processes import BenchmarkServers, run_process, wait_until_listening
from benchmarks.programs.scripted_model import model_name
from cli.dev.ports import free_port
from workflows.agent_task import AgentTask
from workflows.task_types import TaskInput

__all__ = ["FEATURES", "Feature", "FeatureWorker", "Use", "run_feature_workers"]

_AGENT = """\
name: {name}
model: openai:steps-5
instructions: {instructions}
limits: {{max_steps: 1000, max_repeats: 1000}}
"""
_TOOL_FILE = '''\
from agentkit.tools import tool


@tool(effect="pure")
async def look_up(topic: str) -> str:
    """Look a topic up."""
    return f"{topic} ".ljust(400, "x")
'''
_LOOK_UP = "tools: [look_up]\n"
_MCP_SERVER = str(Path(__file__).parent / "programs" / "lookup_mcp_server.py")
_USER = "benchmark"
_READY_TIMEOUT_S = 120.0
_POLL_S = 0.05
_SCRAPE_S = 1.0


@dataclass(frozen=True, slots=True)
class Use:
    """A task: its agent, and the tool that the model calls in each step."""

    text: str
    agent: str = "plain"
    """The agent's name."""
    definition: str = _LOOK_UP
    """The YAML of its tools and memory."""
    tool: str = "look_up"


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature, what configures a worker for it, and the tasks that are measured there."""

    name: str
    uses: Sequence[Use]
    settings: Mapping[str, str] = field(default_factory=dict)
    has_mcp_servers: bool = False
    has_receiver: bool = False
    """Whether traces are exported."""
    is_scraped: bool = False
    """Whether the worker's metrics are."""


_PLAIN = Use("not used")
"""A task that uses no feature; its tool returns 400 bytes."""
_FAST = Use("not used, fast tool", "fast", "tools: [calculator]\n", "calculator")
"""The same with a built-in tool, for the worker that has its project's tools in a tool host."""
_KEYS = {"encryption_keys": f"benchmark:{base64.b64encode(os.urandom(32)).decode()}"}

FEATURES = (
    Feature("none", [_PLAIN, _FAST]),
    Feature("none, another worker", [_PLAIN]),
    Feature("tool host", [_FAST, Use("project's tool in each step")], {"tool_host": "process"}),
    Feature(
        "sandbox",
        [_PLAIN, Use("`python` in each step", "sandboxed", "tools: [python]\n", "python")],
        {"sandbox": "landlock"},  # of bubblewrap's programs, no process of the worker gets the CPU time
    ),
    Feature(
        "MCP",
        [
            _PLAIN,
            Use("stdio server's tool in each step", "program", 'tools: ["mcp:program/*"]\n', "program__look_up"),
            Use("HTTP server's tool in each step", "service", 'tools: ["mcp:service/*"]\n', "service__look_up"),
        ],
        has_mcp_servers=True,
    ),
    Feature(
        "long-term memory",
        [
            _PLAIN,
            Use("recall at the start", "recalling", f"{_LOOK_UP}memory: {{recall: 5}}\n"),
            Use("tool `recall` in each step", "remembering", "memory: {long_term: true}\n", "recall"),
        ],
    ),
    Feature("encryption", [Use("all payloads")], _KEYS),
    Feature("tenants' keys", [Use("all payloads, with a user's key")], {**_KEYS, "tenant_keys": "true"}),
    Feature("telemetry", [Use("traces to a receiver")], has_receiver=True),
    Feature("worker's metrics", [Use("scraped each second")], is_scraped=True),
)
"""The first is the baseline: what others call by the same text is compared with that task, the rest with its first."""


class FeatureWorker:
    """A worker process, and a client that starts tasks on it."""

    def __init__(self, client: Client, settings: Settings, pid: int) -> None:
        self._client = client
        self._settings = settings
        self._catalog = load_catalog(settings)
        self._pid = pid

    def cpu(self) -> CpuTime:
        """Return the CPU time of the process and its children until now."""
        return cpu_time(self._pid)

    async def start(self, steps: int, use: Use) -> WorkflowHandle[Any, Any]:
        """Start a task of ``steps`` steps, each of which calls the tool."""
        spec = self._catalog.spec(use.agent, model=f"openai:{model_name(steps, use.tool)}")
        task_id = new_task_id() + await id_suffix(self._client, DEFAULT_TENANT, _USER)
        task = TaskInput(agent=spec, message=user_message(INPUT))
        return await self._client.start_workflow(AgentTask.run, task, id=task_id, task_queue=self._settings.task_queue)

    async def close(self) -> None:
        """End the processes that described the tools."""
        await self._catalog.aclose()

    async def wait_until_ready(self) -> None:
        """Wait until the worker polls its task queue."""
        while True:
            if (await describe_task_queue(self._client, self._settings.task_queue)).pollers:
                return
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def run_feature_workers(
    servers: BenchmarkServers, features: Sequence[Feature]
) -> AsyncIterator[list[FeatureWorker]]:
    """Run the worker of each feature, and what it needs, until the block ends."""
    async with AsyncExitStack() as stack:
        workers = [await _run_worker(stack, servers, number, feature) for number, feature in enumerate(features, 10)]
        async with asyncio.timeout(_READY_TIMEOUT_S):
            await asyncio.gather(*(worker.wait_until_ready() for worker in workers))
        yield workers


async def _run_worker(stack: AsyncExitStack, servers: BenchmarkServers, number: int, feature: Feature) -> FeatureWorker:
    app_dir = servers.directory / f"app-{number}"
    _write_app(app_dir, feature.uses)
    overrides = {"tool_host": "inline", **feature.settings, "task_queue": f"feature-{number}", "app_name": "benchmark"}
    environment = {
        "OPENAI_API_KEY": "sk-benchmark",
        "OPENAI_BASE_URL": servers.openai,
        "OPSPAWN_APP_DIR": str(app_dir),
        "OPSPAWN_DATA_DIR": str(app_dir / "data"),
        "OPSPAWN_RELAY_PORT": "0",
        "TEMPORAL_ADDRESS": servers.temporal,
        **{f"OPSPAWN_{name.upper()}": value for name, value in overrides.items()},
    }
    if feature.has_receiver:
        port = free_port()
        receiver = run_process(sys.executable, "-m", "benchmarks.programs.otlp_receiver", str(port))
        await stack.enter_async_context(receiver)
        await wait_until_listening(port)
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"
    if feature.has_mcp_servers:
        port = free_port()
        await stack.enter_async_context(run_process(sys.executable, _MCP_SERVER, str(port), quiet=True))
        await wait_until_listening(port)
        (app_dir / "mcp.json").write_text(_mcp_file(port), encoding="utf-8")
    if feature.is_scraped:
        address = f"127.0.0.1:{free_port()}"
        environment["OPSPAWN_WORKER_METRICS"] = address
        scraping = asyncio.create_task(_scrape(f"http://{address}/metrics"))
        stack.callback(scraping.cancel)
    command = (sys.executable, "-P", "-m", "opspawn", "--module", "worker")
    process = await stack.enter_async_context(run_process(*command, environment=environment, quiet=True))
    settings = Settings.load(app_dir, data_dir=app_dir / "data", check_keys=False, **overrides)
    client = await Client.connect(servers.temporal, data_converter=data_converter(settings))
    worker = FeatureWorker(client, settings, process.pid)
    stack.push_async_callback(worker.close)
    return worker


def _write_app(app_dir: Path, uses: Sequence[Use]) -> None:
    files = {"tools/lookup.py": _TOOL_FILE}
    for use in uses:
        head = _AGENT.format(name=use.agent, instructions=INSTRUCTIONS)
        files[f"agents/{use.agent}.yaml"] = f"{head}{use.definition}"
    for name, text in files.items():
        (app_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (app_dir / name).write_text(text, encoding="utf-8")


def _mcp_file(port: int) -> str:
    program = {"command": sys.executable, "args": [_MCP_SERVER]}
    service = {"url": f"http://127.0.0.1:{port}/mcp"}
    return json.dumps({"mcpServers": {"program": program, "service": service}})


async def _scrape(url: str) -> None:
    async with AsyncClient(trust_env=False) as http:
        while True:
            with suppress(TransportError):
                await http.get(url)
            await asyncio.sleep(_SCRAPE_S)
