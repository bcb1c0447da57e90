"""Listing tasks over REST: newest first, page by page, while tasks are created and end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall
from agentkit.testing import ScriptedResponse
from api.tasks.listing.task_listing import PageCursor, newest_tasks, visibility_query
from api.tasks.requests.task_requests import TaskFilter
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.gated_model import GatedModel


def label(harness: ApiHarness) -> str:
    """Return a tag of this test's own."""
    return harness.settings.task_queue


async def all_pages(harness: ApiHarness, **filters: Any) -> list[str]:
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await harness.get("/tasks", **filters, **cursor)
        ids.extend(task["id"] for task in page["tasks"])
        if page["next_cursor"] is None:
            return ids
        cursor = {"cursor": page["next_cursor"]}


async def test_tasks_are_listed_newest_first_though_older_ones_still_run(harness: ApiHarness) -> None:
    tag = label(harness)
    created = [await harness.submit(tags=[tag]) for _ in range(3)]
    async with harness.worker(lambda request: asyncio.sleep(0, "done")):
        created += [await harness.submit(tags=[tag]) for _ in range(3)]
        await asyncio.gather(*(harness.task(task_id, wait=WITHIN) for task_id in created))
    created += [await harness.submit(tags=[tag]) for _ in range(3)]
    await harness.listed(9, tag=tag)
    await harness.listed(6, tag=tag, status="completed")
    assert await all_pages(harness, tag=tag, limit=200) == created[::-1]
    assert await all_pages(harness, tag=tag, limit=2) == created[::-1]


async def test_pages_stay_as_they_are_while_tasks_are_created(harness: ApiHarness) -> None:
    tag = label(harness)
    old = [await harness.submit(tags=[tag]) for _ in range(5)]
    await harness.listed(5, tag=tag)  # all are in the page itself: a total is of another moment than the page
    page = await harness.get("/tasks", tag=tag, limit=2)
    ids = [task["id"] for task in page["tasks"]]
    while page["next_cursor"]:
        await harness.submit(tags=[tag])
        page = await harness.get("/tasks", tag=tag, limit=2, cursor=page["next_cursor"])
        ids += [task["id"] for task in page["tasks"]]
    assert ids == old[::-1]


@pytest.mark.parametrize("window_size", [4, 7, 1000])
async def test_the_newest_are_found_in_windows_of_any_size(harness: ApiHarness, window_size: int) -> None:
    tag = label(harness)
    requests = [harness.submit(tags=[tag]) for _ in range(40)]
    ended = await asyncio.gather(*requests[:20])
    for task_id in ended[::3]:
        await harness.http.post(f"/api/v1/tasks/{task_id}/terminate")
    await asyncio.gather(*requests[20:])
    await harness.listed(40, tag=tag)
    await harness.listed(7, tag=tag, status="terminated")
    query = visibility_query(TaskFilter(tag=tag))
    all_ids = [execution.id for execution in await newest_tasks(harness.temporal, query, None, 40)]
    paged_ids: list[str] = []
    after = None
    while page := await newest_tasks(harness.temporal, query, after, 3, window_size=window_size):
        paged_ids += [execution.id for execution in page]
        after = PageCursor.after(page[-1])
    assert paged_ids == all_ids
    assert len(set(paged_ids)) == 40


async def test_filters_narrow_the_list(harness: ApiHarness) -> None:
    tag = label(harness)
    first = await harness.submit(tags=[tag, "red"])
    second = await harness.submit(tags=[tag, "blue"])
    guest = {"agent_spec": {"name": "guest", "model": "demo:demo"}, "input": "Hi", "tags": [tag]}
    third = (await harness.http.post("/api/v1/tasks", json=guest)).json()["id"]
    await harness.http.post(f"/api/v1/tasks/{second}/terminate")
    page = await harness.listed(3, tag=tag)
    await harness.listed(1, tag=tag, status="terminated")
    middle = page["tasks"][1]["created_at"]
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"agent": "guest"}, [third]),
        ({"agent": "GUEST' OR '1'='1"}, []),
        ({"status": "terminated"}, [second]),
        ({"status": ["queued", "terminated"]}, [third, second, first]),
        ({"status": "completed"}, []),
        ({"created_after": middle}, [third]),
        ({"created_before": middle}, [first]),
        ({"created_after": middle, "created_before": middle}, []),
        ({"conversation_id": "none"}, []),
        ({"parent_id": "none\\"}, []),
    ]
    for filters, expected in cases:
        page = await harness.get("/tasks", tag=tag, **filters)
        assert [task["id"] for task in page["tasks"]] == expected, filters
        assert page["total"] == len(expected), filters


async def test_a_listed_task_has_what_visibility_holds(harness: ApiHarness) -> None:
    tag = label(harness)
    async with harness.worker(["the answer"]):
        task_id = await harness.submit(input="A question", tags=[tag], metadata={"a": "b"}, user="ada")
        shown = await harness.task(task_id, wait=WITHIN)
    (listed,) = (await harness.listed(1, tag=tag, status="completed"))["tasks"]
    assert listed["title"] == "A question"
    assert listed["usage"]["tokens"] == 15
    assert (listed["input"], listed["output"], listed["started_at"]) == (None, None, None)
    for field in (
        "id",
        "agent",
        "status",
        "steps",
        "usage",
        "tags",
        "metadata",
        "user",
        "created_at",
        "completed_at",
        "links",
    ):
        assert listed[field] == shown[field], field


async def test_a_running_task_is_listed_with_its_steps_and_usage(harness: ApiHarness) -> None:
    gate, pause = GatedModel(), ModelUnavailable("Later.", status=503, retry_after=5.0)
    call = ToolCall(id="1", name="calculator", arguments={"expression": "6*7"})
    script: Iterator[ScriptedResponse] = iter([call, pause, call.model_copy(update={"id": "2"})])

    async def respond(request: ModelRequest) -> ScriptedResponse:
        return next(script, None) or await gate(request)

    async with harness.worker(respond, harness.catalog.toolset.get("calculator")):
        task_id = await harness.submit(tags=[label(harness)])
        shown = await eventually(lambda: harness.task(task_id), lambda task: task["steps"] == 2)
        (listed,) = (await harness.listed(1, tag=label(harness)))["tasks"]
        assert (shown["usage"]["tokens"], listed["steps"], listed["usage"]["tokens"]) == (15, 1, 0)
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
        shown = await harness.task(task_id)
        listed = await eventually(
            lambda: harness.listed(1, tag=label(harness)), lambda page: page["tasks"][0]["steps"] > 0
        )
        gate.released.set()
        await harness.task(task_id, wait=WITHIN)
    assert (shown["steps"], shown["usage"]["model_calls"]) == (3, 2)
    for field in ("status", "steps", "usage"):
        assert listed["tasks"][0][field] == shown[field], field


@pytest.mark.parametrize("cursor", ["nonsense", "", "W10", "e30", "WzEsMiwzXQ", "é", "W25hbiwxLDJd"])
async def test_a_wrong_cursor_is_refused(harness: ApiHarness, cursor: str) -> None:
    response = await harness.http.get("/api/v1/tasks", params={"cursor": cursor})
    assert response.status_code == 400
    assert response.json()["type"] == "urn:opspawn:problem:cursor-invalid"


async def test_a_cursor_is_valid_for_its_own_filters_only(harness: ApiHarness) -> None:
    tag = label(harness)
    for _ in range(2):
        await harness.submit(tags=[tag])
    page = await harness.listed(2, tag=tag, limit=1)
    response = await harness.http.get("/api/v1/tasks", params={"cursor": page["next_cursor"], "limit": 1})
    assert response.status_code == 400
    assert "other filters" in response.json()["detail"]
