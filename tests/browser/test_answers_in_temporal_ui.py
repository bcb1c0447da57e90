"""Two approvals and an answer given in the Temporal Web UI, in a real browser; the worker is killed between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Page
from playwright.async_api import TimeoutError as PlaywrightTimeout
from pydantic import JsonValue

from tests.integration.cli.dev_process import DevProcess

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

_AGENT: JsonValue = {
    "name": "clerk",
    "model": "demo:demo",
    "tools": ["calculator", "ask_person"],
    "policy": [{"tool": "calculator", "then": "ask"}],
}
_INPUT = """\
call calculator {"expression": "6*7"} & call ask_person {"question": "Which colour?"}
call calculator {"expression": "2*3"}
say All done."""


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[DevProcess]:
    """Run one, with the Web UI."""
    dev = DevProcess(tmp_path / "work")
    dev.start()
    yield dev
    dev.close()


def kill_worker(dev: DevProcess) -> None:
    """Kill the worker by SIGKILL; ``opspawn dev`` starts another."""
    os.kill(dev.child("worker"), signal.SIGKILL)


async def _wait_for_text(page: Page, address: str, text: str) -> None:
    """Load the page again until a worker gives it a text; it is Markdown, in a frame of its own."""
    async with asyncio.timeout(60):
        while True:
            await page.goto(address)
            tab = page.get_by_role("tab", name="User Metadata").or_(page.get_by_role("link", name="User Metadata"))
            await tab.first.click()
            with contextlib.suppress(PlaywrightTimeout):
                await page.frame_locator("iframe").nth(2).get_by_text(text).wait_for(timeout=3_000)
                return


async def answer(page: Page, address: str, request_id: str, **fields: JsonValue) -> None:
    """Send an answer as a signal, by the page's own form, once the page shows the request."""
    await _wait_for_text(page, address, f"Waits for your answer to {request_id}")
    await page.get_by_role("button", name="More Actions").click()
    await page.get_by_role("menuitem", name="Send a Signal").click()
    dialog = page.get_by_role("dialog").filter(has_text="Send a Signal")
    await dialog.get_by_text("Select a signal").click()
    await page.get_by_role("option", name="answer_input").click()
    await dialog.locator("[contenteditable=true]").fill(json.dumps({"input_request_id": request_id, **fields}))
    await dialog.get_by_role("button", name="Submit").click()
    await dialog.wait_for(state="hidden")


async def test_two_approvals_and_an_answer_are_given_in_the_web_ui(page: Page, dev: DevProcess) -> None:
    async with httpx2.AsyncClient(base_url=dev.url, trust_env=False, timeout=90) as api:
        created = await api.post("/api/v1/tasks", json={"agent_spec": _AGENT, "input": _INPUT})
        task = created.raise_for_status().json()
        address = task["links"]["temporal_ui"]
        await answer(page, address, "input_1", decision="approve", answered_by="ada")
        kill_worker(dev)
        await answer(page, address, "input_2", decision="answer", answer="blue", answered_by="ada")
        kill_worker(dev)
        await answer(page, address, "input_3", decision="approve", answered_by="grace")
        ended = (await api.get(f"/api/v1/tasks/{task['id']}", params={"wait": 60})).json()
        calls = (await api.get(f"/api/v1/tasks/{task['id']}/tool-calls")).json()["tool_calls"]
    assert (ended["status"], ended["output"]) == ("completed", "All done.")
    decided = [(call["tool"], call["state"], call["decided_by"]) for call in calls]
    assert decided == [
        ("calculator", "done", "person: ada"),
        ("ask_person", "done", "person: ada"),
        ("calculator", "done", "person: grace"),
    ]
