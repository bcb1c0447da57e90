"""The doctor's look at the task queues of tools that other programs serve, on a real Temporal."""

from __future__ import annotations

import asyncio
import uuid

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from cli.doctor.external_tool_checks import external_tool_findings
from cli.doctor.finding import Finding


@activity.defn(name="tool.send_email")
async def send_email(arguments: object, context: object) -> None:
    pass


async def test_a_queue_that_no_worker_polls_is_missing_and_one_with_a_worker_of_activities_alone_is_not(
    temporal_port: int,
) -> None:
    client = await Client.connect(f"127.0.0.1:{temporal_port}", identity="mailer")
    served, idle = f"served-{uuid.uuid4().hex}", f"idle-{uuid.uuid4().hex}"
    queues = {"send_email": served, "print_page": idle, "fax_page": idle}

    async def checked() -> dict[str, Finding]:
        return {finding.subject: finding for finding in await external_tool_findings(client, queues)}

    async with Worker(client, task_queue=served, activities=[send_email]), asyncio.timeout(30):
        while (await checked())[f"Task queue {served}"].status != "ok":  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0.05)
        findings = await checked()
    assert findings[f"Task queue {served}"].detail == "serves send_email; polled by mailer"
    missing = findings[f"Task queue {idle}"]
    assert missing.status == "missing"
    assert missing.detail.startswith("no worker polls it, so calls of fax_page, print_page wait.")


async def test_without_tools_of_other_programs_nothing_is_reported(temporal_port: int) -> None:
    assert await external_tool_findings(await Client.connect(f"127.0.0.1:{temporal_port}"), {}) == []
