"""The page at ``/`` on a real Temporal: workers, failed tasks, and links to their pages in the Web UI."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from agentkit.errors import ModelRequestRejected
from tests.integration.api.clerk import Payments, pay_call, payments_settings
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually, serve_rest

TITLE = "Fail, <b>please</b>"


async def page(harness: ApiHarness) -> str:
    response = await harness.http.get("/")
    assert response.status_code == 200
    return response.text


async def test_the_page_names_failed_tasks_with_links_to_their_pages(harness: ApiHarness) -> None:
    async with harness.worker([ModelRequestRejected("no such model", status=404)]):
        task_id = await harness.submit(input=TITLE)
        failed = await harness.task(task_id, wait=WITHIN)
        shown = await eventually(lambda: page(harness), lambda text: failed["id"] in text.partition("What runs")[0])
    attention = shown.partition("What runs")[0]
    assert "failed in the last hour" in attention
    assert f'href="{failed["links"]["temporal_ui"]}"' in attention
    assert escape(TITLE) in attention
    assert TITLE not in shown
    assert f"{os.getpid()}@" in shown, "the worker"


async def test_without_a_worker_the_page_has_the_command_that_starts_one(harness: ApiHarness) -> None:
    task_id = await harness.submit(input="Hello, home page")
    shown = await eventually(lambda: page(harness), lambda text: task_id in text)
    assert f"No worker polls task queue {escape(repr(harness.settings.task_queue))}" in shown
    assert "opspawn worker" in shown
    newest = shown.partition("Newest tasks")[2]
    assert newest.index("Hello, home page") < newest.index(f'href="api/v1/tasks/{task_id}"')


async def test_the_page_names_tasks_that_wait_for_a_person(tmp_path: Path, temporal_port: int) -> None:
    async with serve_rest(payments_settings(tmp_path, temporal_port)) as api:
        payments = Payments(api)
        async with payments.worker([pay_call(), "Paid."]):
            task = await payments.waiting()
            link = f'href="{task["links"]["self"].removeprefix("/")}"'
            shown = await eventually(lambda: page(api), lambda text: link in text.partition("What runs")[0])
            assert 'for a person: <a href="api/v1/input-requests"' in shown.partition("What runs")[0]
            await payments.answer(task)
            await api.task(task["id"], wait=WITHIN)
            await eventually(lambda: page(api), lambda text: link not in text.partition("What runs")[0])
