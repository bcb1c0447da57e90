"""A browser's own ``EventSource`` reads a task's events, and resumes by itself when the API dies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.async_api import Page

from agentkit.client import OpspawnClient
from api.events.event import EVENT_TYPES
from tests.acceptance.conftest import Stack
from tests.acceptance.test_survival import SUM, gate

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

WITHIN = 60_000
"""Milliseconds that each wait may take."""


async def watch(page: Page, origin: str, stack: Stack, task_id: str) -> None:
    """Let the page open the task's stream."""
    url = f"http://127.0.0.1:{stack.api_port}/api/v1/tasks/{task_id}/events"
    await page.goto(f"{origin}/page.html?{urlencode({'url': url, 'types': ','.join(EVENT_TYPES)})}")


async def until(page: Page, condition: str) -> None:
    await page.wait_for_function(condition, timeout=WITHIN)


async def seen(page: Page) -> list[dict[str, Any]]:
    """Return the events that the page has got."""
    events: list[dict[str, Any]] = json.loads(await page.evaluate("JSON.stringify(seen)"))
    return events


async def all_events(stack: Stack, task_id: str) -> list[tuple[str, str | None]]:
    async with OpspawnClient(f"http://127.0.0.1:{stack.api_port}") as client:
        return [(event.type, event.position) async for event in client.events(task_id)]


def durable(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return type and id of the durable events; a live one repeats the id before it, by the standard."""
    return [
        (event["type"], event["id"])
        for before, event in zip([{"id": ""}, *events], events, strict=False)
        if event["id"] != before["id"]
    ]


async def test_a_page_gets_each_event_once_although_the_api_is_killed(
    page: Page, origin: str, watched_stack: Stack, tmp_path: Path
) -> None:
    stack = watched_stack
    task_id = await stack.submit(f"{SUM}\n{gate(tmp_path)}\n{SUM}\nsay through")
    await watch(page, origin, stack, task_id)
    await until(page, "seen.some(event => event.type == 'tool.started' && event.data.call.name == 'gate')")

    stack.kill("api")
    await until(page, "failed > 0 && source.readyState == EventSource.CONNECTING")
    (tmp_path / "open").touch()
    await (await stack.temporal()).get_workflow_handle(task_id).result()
    stack.start_api()

    await until(page, "seen.some(event => event.type == 'task.completed')")
    await until(page, "source.readyState == EventSource.CLOSED")
    events = durable(await seen(page))
    assert events == await all_events(stack, task_id)
    assert events[-1][0] == "task.completed"
    assert await page.evaluate("opened") > 1


async def test_a_page_gets_deltas_while_the_model_generates_them(page: Page, origin: str, watched_stack: Stack) -> None:
    task_id = await watched_stack.submit("think 1500\nsay thought through")
    await watch(page, origin, watched_stack, task_id)
    await until(page, "seen.some(event => event.type == 'model.completed')")

    events = await seen(page)
    types = [event["type"] for event in events]
    assert types.count("model.delta") > 5
    assert types.index("model.started") < types.index("model.delta") < types.index("model.completed")
