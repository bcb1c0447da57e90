"""What a page of another site can do to the API, in a real browser: read nothing and change nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page

from tests.acceptance.conftest import Stack
from tests.acceptance.test_survival import gate

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

_SEND = """([url, type]) => fetch(url, {method: "POST", mode: "no-cors", body: type ? "{}" : null,
    headers: type ? {"Content-Type": type} : {}}).then(response => response.status, error => -1)"""
_SUBMIT = """url => fetch(url, {method: "POST", headers: {"Content-Type": "application/json"},
    body: JSON.stringify({agent: "porter", input: "say rebound"})}).then(response => response.status)"""

_FETCHES = """url => {
    const body = JSON.stringify({agent: "porter", input: "say intruded"})
    const fetched = (mode, headers, sent = body) => fetch(url, {method: "POST", mode, headers, body: sent,
        credentials: "include"}).then(response => response.status, error => -1)
    const json = {"Content-Type": "application/json"}
    return Promise.all([
        fetched("no-cors", {"Content-Type": "text/plain"}),
        fetched("no-cors", {"Content-Type": "application/x-www-form-urlencoded"}),
        fetched("no-cors", json),
        fetched("no-cors", {}, new Blob([body])),
        fetched("cors", {"Content-Type": "text/plain"}),
        fetched("cors", json),
        fetched("cors", {...json, Authorization: "Bearer x"}),
    ])
}"""
_BEACON = """url => navigator.sendBeacon(url, JSON.stringify({agent: "porter", input: "say intruded"}))"""
_FORM = """<form method="post" action="URL" enctype="TYPE">
    <input name='{"agent": "porter", "input": "say intruded", "tags": ["' value='"]}'><button>Go</button></form>"""

_READ = """url => new Promise(resolve => {
    const source = new EventSource(url);
    source.onopen = () => resolve("open");
    source.onerror = () => resolve("refused");
})"""


async def test_a_page_of_another_site_can_neither_read_nor_watch_nor_use_grpc(
    page: Page, origin: str, watched_stack: Stack
) -> None:
    stack = watched_stack
    task_id = await stack.submit("say through")
    await stack.wait_for_end(task_id)
    api = f"http://127.0.0.1:{stack.api_port}"
    await page.goto(f"http://evil.example:{urlsplit(origin).port}/page.html?url=about:blank&types=x")
    for path in (f"/api/v1/tasks/{task_id}/events", "/api/v1/events"):
        assert await page.evaluate(_READ, f"{api}{path}") == "refused"
    for port in (stack.grpc_port, stack.relay_port):
        for content_type in ("text/plain", ""):
            call = f"http://127.0.0.1:{port}/opspawn.v1.TaskService/CreateTask"
            assert await page.evaluate(_SEND, [call, content_type]) == -1
    async with stack.client() as client:
        metrics = (await client.get("/metrics")).text
        assert 'method="GET",route="/api/v1/events"' not in metrics  # it got no further than the check
        assert (await client.get("/api/v1/tasks")).json()["total"] == 1


async def test_a_page_of_another_site_cannot_stop_a_task(
    page: Page, origin: str, watched_stack: Stack, tmp_path: Path
) -> None:
    stack = watched_stack
    task_id = await stack.submit(f"{gate(tmp_path)}\nsay through")
    task = f"http://127.0.0.1:{stack.api_port}/api/v1/tasks/{task_id}"
    await page.goto(f"http://evil.example:{urlsplit(origin).port}/page.html?url=about:blank&types=x")
    for action in ("cancel", "terminate"):
        for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
            assert await page.evaluate(_SEND, [f"{task}/{action}", content_type]) == -1  # sent; kept from it
        await page.set_content(f'<form method="post" action="{task}/{action}"><button>Go</button></form>')
        async with page.expect_navigation() as navigation:
            await page.get_by_role("button").click()
        assert (await (await navigation.value).json())["status"] in (403, 415)
        await page.goto(f"http://evil.example:{urlsplit(origin).port}/page.html?url=about:blank&types=x")
    (tmp_path / "open").touch()
    assert (await stack.wait_for_end(task_id))["status"] == "completed"


async def test_a_page_of_another_site_or_of_another_server_of_this_machine_cannot_submit_a_task(
    page: Page, origin: str, watched_stack: Stack
) -> None:
    stack = watched_stack
    tasks = f"http://127.0.0.1:{stack.api_port}/api/v1/tasks"
    for host in ("evil.example", "localhost"):
        own_page = f"http://{host}:{urlsplit(origin).port}/page.html?url=about:blank&types=x"
        await page.goto(own_page)
        assert await page.evaluate(_FETCHES, tasks) == [-1] * 7
        async with page.expect_event("requestfailed", lambda request: request.url == tasks) as beacon:
            assert await page.evaluate(_BEACON, tasks)
        assert "BLOCKED_BY_RESPONSE" in ((await beacon.value).failure or "")  # so the API has responded
        for encoding in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            await page.set_content(_FORM.replace("URL", tasks).replace("TYPE", encoding))
            async with page.expect_navigation() as navigation:
                await page.get_by_role("button").click()
            assert (await navigation.value).status == 403
            await page.goto(own_page)
    await stack.wait_for_end(await stack.submit("say mine"))  # Temporal lists what came before, too
    async with stack.client() as client:
        listed = (await client.get("/api/v1/tasks")).json()
    assert [task["title"] for task in listed["tasks"]] == ["say mine"]


async def test_a_name_that_resolves_to_this_machine_gets_nothing(page: Page, watched_stack: Stack) -> None:
    stack = watched_stack
    response = await page.goto(f"http://evil.example:{stack.api_port}/")
    assert response is not None
    assert response.status == 421
    browser = page.context.browser
    assert browser is not None
    # a page of another server under this name would not have our Content-Security-Policy
    async with await browser.new_context(bypass_csp=True) as context:
        attack = await context.new_page()
        await attack.goto(f"http://evil.example:{stack.api_port}/")
        assert await attack.evaluate(_SUBMIT, "/api/v1/tasks") == 421
    async with stack.client() as client:
        assert (await client.get("/api/v1/tasks")).json()["total"] == 0
