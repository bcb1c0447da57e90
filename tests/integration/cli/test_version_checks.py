"""The doctor's checks of the versions of workers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from activities.settings import Settings
from activities.temporal.client import connect
from activities.temporal.queue_workers import recent_workers
from activities.temporal.versions.worker_deployments import deployment_versions, set_current_version
from agentkit.messages import user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel
from agentkit.tools import ToolRegistry
from cli.doctor.finding import Finding
from cli.doctor.version_checks import version_findings
from tests.polling import eventually_found
from worker import build_worker
from workflows.task_types import WORKFLOW_TYPE, TaskInput


async def test_workers_without_tasks_and_tasks_without_workers_are_found(tmp_path: Path, temporal_port: int) -> None:
    queue = f"doctor-{time.monotonic_ns()}"
    settings = Settings(data_dir=tmp_path, temporal_port=temporal_port, task_queue=queue, build_id="v1")
    client = await connect(settings)
    asked = asyncio.Event()

    async def respond(_: object) -> str:
        asked.set()
        await asyncio.Event().wait()
        return ""

    async def polls() -> bool:
        return bool((await recent_workers(client, queue)).pollers)

    async def found(status: str) -> Finding | None:
        """Return the finding of this status: a queue learns some time after a change which version is current."""
        findings, _ = await version_findings(client, queue, queue)
        return next((each for each in findings if each.status == status), None)

    models = {"scripted": ScriptedModel(respond)}
    settings = settings.model_copy(update={"shutdown_timeout": 0.1})
    assert await version_findings(client, queue, queue) == ([], True)
    async with build_worker(client, settings, models, ToolRegistry([]), InlineOutputChecker()):
        await eventually_found(polls)
        await eventually_found(lambda: deployment_versions(client, queue))
        ((finding,), gets_tasks) = await version_findings(client, queue, queue)
        assert (finding.status, gets_tasks) == ("missing", False)
        assert [command.split("opspawn ")[1] for command in finding.remedies] == ["workers set-current v1"]
        await set_current_version(client, queue, "v1")
        await eventually_found(lambda: found("ok"))
        ((finding,), gets_tasks) = await version_findings(client, queue, queue)
        assert (finding.status, gets_tasks) == ("ok", True)
        agent = AgentSpec(name="a", models=("scripted:m",), planner="tools")
        task = TaskInput(agent=agent, message=user_message("Go."))
        await client.start_workflow(WORKFLOW_TYPE, task, id=queue, task_queue=queue)
        await asyncio.wait_for(asked.wait(), 30)

    assert not await polls()
    assert await version_findings(client, queue, queue) == ([], True)  # a worker is missing, and no version is gone
    await set_current_version(client, queue, "v2", allow_no_pollers=True)
    finding = await eventually_found(lambda: found("missing"))
    assert [command.split("opspawn ")[1] for command in finding.remedies] == ["workers drain v1"]
