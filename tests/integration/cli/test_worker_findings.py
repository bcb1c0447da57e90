"""What ``opspawn doctor`` learns from real workers: what they have loaded, and what holds them up."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from temporalio.worker import Worker

from activities.settings import Settings
from activities.temporal.client import connect
from activities.temporal.task_queue_pollers import listed_pollers
from activities.temporal.worker_identity import own_identity
from activities.tool_calls import ToolCallLimits, ToolCalls
from agentkit.interfaces import Model
from agentkit.llm.demo.model import DemoModel
from agentkit.llm.wrappers.rate_limit import RateLimitedModel, RateLimiter
from agentkit.messages import user_message
from agentkit.runtime.calls.tool_invocation import tool_context
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedOpenAIServer, ServerFailure
from agentkit.tools import ToolRegistry, tool
from cli.doctor.finding import Finding
from cli.doctor.worker_checks import ExpectedWorkers, worker_findings
from tests.reserved_ports import reserve_port
from worker import build_worker
from workflows.agent_task import AgentTask
from workflows.task_types import TaskInput

pytestmark = pytest.mark.acceptance


@tool(effect="pure", timeout=45)
def look() -> str:
    return ""


@pytest.fixture
def settings(tmp_path: Path, temporal_port: int) -> Settings:
    return Settings(
        app_dir=tmp_path,
        data_dir=tmp_path / "data",
        app_name="shop",
        temporal_port=temporal_port,
        task_queue=f"doctor-{uuid.uuid4().hex[:12]}",
    )


@asynccontextmanager
async def _worker(settings: Settings, model: Model, calls: ToolCalls) -> AsyncIterator[Worker]:
    toolset, checker = ToolRegistry([look]), InlineOutputChecker()
    async with build_worker(
        await connect(settings), settings, {"openai": model}, toolset, checker, tool_calls=calls
    ) as worker:
        yield worker


async def _findings(settings: Settings, *file_tools: str, workers: int = 1) -> dict[str, Finding]:
    """Return the findings by subject, as soon as Temporal lists so many workers."""
    client = await connect(settings)
    async with asyncio.timeout(30):
        while len(await listed_pollers(client, settings.task_queue)) < workers:  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0.05)
    expected = ExpectedWorkers(settings.task_queue, "shop", "opspawn worker", file_tools=file_tools)
    return {finding.subject: finding for finding in await worker_findings(client, expected)}


async def test_waits_and_slow_calls_of_a_worker_are_shown_without_the_key(settings: Settings) -> None:
    limiter, calls = RateLimiter(concurrency=1), ToolCalls(ToolCallLimits(slow_after_s=0))
    limiter.pause("openai:m", 500)
    model = RateLimitedModel(DemoModel(), limiter, "OPENAI_API_KEY")
    async with (
        _worker(settings, model, calls),
        calls.running(look, tool_context("task-1", "c", 1), may_wait=False),
    ):
        findings = await _findings(settings)

    worker = str(own_identity(settings))
    wait, slow = findings["Model openai:m"], findings["Tool look"]
    assert (wait.status, slow.status) == ("note", "note")
    assert wait.detail.startswith("its provider accepts no request with OPENAI_API_KEY for another ")
    assert f"0 wait in worker {worker}" in wait.detail
    assert slow.detail.startswith("1 calls take long, the longest ")
    assert slow.detail.endswith(f" s so far (timeout 45 s), of tasks task-1; worker {worker}")


async def test_every_worker_is_asked(settings: Settings) -> None:
    other = settings.model_copy(update={"app_name": "shop-2"})
    async with _worker(settings, DemoModel(), ToolCalls()), _worker(other, DemoModel(), ToolCalls()):
        findings = await _findings(settings, workers=2)
        assert (await _findings(settings, "new"))["Tools"].status == "missing"

    workers = f"{own_identity(settings)}, {own_identity(other)}"
    assert findings["Tools"].detail == f"workers {workers} have loaded look"
    assert set(findings) == {"Workers", "Tools"}


@asynccontextmanager
async def _worker_process(settings: Settings, **environment: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parents[3] / "worker.py"),
        env={
            "PATH": os.defpath,
            "TEMPORAL_ADDRESS": f"127.0.0.1:{settings.temporal_port}",
            "OPSPAWN_TASK_QUEUE": settings.task_queue,
            "OPSPAWN_APP_DIR": str(settings.app_dir),
            "OPSPAWN_DATA_DIR": str(settings.data_dir),
            "OPSPAWN_APP_NAME": "shop",
            **environment,
        },
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_a_wait_that_a_provider_asked_for_is_at_metrics_and_in_the_doctor_of_a_real_worker(
    settings: Settings,
) -> None:
    metrics = f"127.0.0.1:{reserve_port()}"
    refusal = ServerFailure(status=429, headers={"retry-after": "100"})
    keys = {"OPENAI_API_KEY": "sk-secret-1", "OPSPAWN_WORKER_METRICS": metrics}
    wait = re.compile(
        r'^opspawn_model_wait_seconds{.*key="OPENAI_API_KEY",model="openai:m".*} ([1-9]\d*)', re.MULTILINE
    )
    async with (
        ScriptedOpenAIServer([refusal]) as server,
        _worker_process(settings, OPENAI_BASE_URL=server.url, **keys),
        httpx2.AsyncClient(trust_env=False) as http,
        asyncio.timeout(90),
    ):
        client = await connect(settings)
        agent = AgentSpec(name="a", models=("openai:m",), planner="tools")
        task = await client.start_workflow(
            AgentTask.run,
            TaskInput(agent=agent, message=user_message("Hi")),
            id=f"task-{uuid.uuid4().hex}",
            task_queue=settings.task_queue,
        )
        await server.wait_for_requests()
        text = ""
        while not wait.search(text):
            await asyncio.sleep(0.1)
            text = (await http.get(f"http://{metrics}/metrics")).text
        findings = await _findings(settings)
        await task.terminate()
    assert findings["Model openai:m"].detail.startswith("its provider accepts no request with OPENAI_API_KEY for ")
    assert "secret" not in text + repr(findings)
