"""The page at ``/`` in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from agentkit.client import OpspawnClient
from tests.acceptance.conftest import Stack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


async def test_the_page_shows_tasks_loads_nothing_from_elsewhere_and_runs_no_script(
    page: Page, watched_stack: Stack
) -> None:
    origin = f"http://127.0.0.1:{watched_stack.api_port}"
    requested: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    async with OpspawnClient(origin) as client:
        task = await client.create("assistant", "say <script>alert(1)</script>")
        await client.wait(task.id)
    await page.goto(origin)
    await page.get_by_text("say <script>alert(1)</script>").wait_for()
    assert await page.get_by_role("heading", level=1).inner_text() != ""
    assert (
        await page.get_by_role("link", name="Web UI", exact=True).first.get_attribute("href")
        == task.links["temporal_ui"]
    )
    await page.get_by_role("link", name="API", exact=True).click()
    await page.get_by_text("/api/v1/tasks/{task_id}/events").first.wait_for()
    assert [url for url in requested if not url.startswith((origin, "data:"))] == []
    assert complaints == []
