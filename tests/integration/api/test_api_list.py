"""Listing tasks over REST: newest first, page by page, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.tasks.task_listing import PageCursor, newest_tasks, visibility_query
from api.tasks.task_requests import TaskFilter
from tests.integration.api.conftest import WITHIN, Front


def label(front: Front) -> str:
    """Return a tag of this test's own."""
    return front.settings.task_queue


async def all_pages(front: Front, **filters: Any) -> list[str]:
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await front.get("/tasks", **filters, **cursor)
        ids.extend(task["id"] for task in page["tasks"])
        if page["next_cursor"] is None:
            return ids
        cursor = {"cursor": page["next_cursor"]}


async def test_tasks_are_listed_newest_first_though_older_ones_still_run(front: Front) -> None:
    tag = label(front)
    created = [await front.submit(tags=[tag]) for _ in range(3)]
    async with front.worker(lambda request: asyncio.sleep(0, "done")):
        created += [await front.submit(tags=[tag]) for _ in range(3)]
        await asyncio.gather(*(front.task(task_id, wait=WITHIN) for task_id in created))
    created += [await front.submit(tags=[tag]) for _ in range(3)]
    await front.seen(9, tag=tag)
    await front.seen(6, tag=tag, status="completed")
    assert await all_pages(front, tag=tag, limit=200) == created[::-1]
    assert await all_pages(front, tag=tag, limit=2) == created[::-1]


async def test_pages_stay_as_they_are_while_tasks_are_created(front: Front) -> None:
    tag = label(front)
    old = [await front.submit(tags=[tag]) for _ in range(5)]
    page = await front.seen(5, tag=tag, limit=2)
    ids = [task["id"] for task in page["tasks"]]
    while page["next_cursor"]:
        await front.submit(tags=[tag])
        page = await front.get("/tasks", tag=tag, limit=2, cursor=page["next_cursor"])
        ids += [task["id"] for task in page["tasks"]]
    assert ids == old[::-1]


@pytest.mark.parametrize("window_size", [4, 7, 1000])
async def test_the_newest_are_found_in_windows_of_any_size(front: Front, window_size: int) -> None:
    tag = label(front)
    asked = [front.submit(tags=[tag]) for _ in range(40)]
    ended = await asyncio.gather(*asked[:20])
    for task_id in ended[::3]:
        await front.http.post(f"/api/v1/tasks/{task_id}/terminate")
    await asyncio.gather(*asked[20:])
    await front.seen(40, tag=tag)
    await front.seen(7, tag=tag, status="terminated")
    query = visibility_query(TaskFilter(tag=tag))
    whole = [execution.id for execution in await newest_tasks(front.temporal, query, None, 40)]
    found: list[str] = []
    after = None
    while page := await newest_tasks(front.temporal, query, after, 3, window_size=window_size):
        found += [execution.id for execution in page]
        after = PageCursor.after(page[-1])
    assert found == whole
    assert len(set(found)) == 40


async def test_filters_narrow_the_list(front: Front) -> None:
    tag = label(front)
    first = await front.submit(tags=[tag, "red"])
    second = await front.submit(tags=[tag, "blue"])
    guest = {"agent_spec": {"name": "guest", "model": "demo:demo"}, "input": "Hi", "tags": [tag]}
    third = (await front.http.post("/api/v1/tasks", json=guest)).json()["id"]
    await front.http.post(f"/api/v1/tasks/{second}/terminate")
    page = await front.seen(3, tag=tag)
    await front.seen(1, tag=tag, status="terminated")
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
        found = await front.get("/tasks", tag=tag, **filters)
        assert [task["id"] for task in found["tasks"]] == expected, filters
        assert found["total"] == len(expected), filters


async def test_a_listed_task_says_what_visibility_knows(front: Front) -> None:
    tag = label(front)
    async with front.worker(["the answer"]):
        task_id = await front.submit(input="A question", tags=[tag], metadata={"a": "b"}, user="ada")
        shown = await front.task(task_id, wait=WITHIN)
    (listed,) = (await front.seen(1, tag=tag, status="completed"))["tasks"]
    assert listed["title"] == "A question"
    assert listed["usage"]["tokens"] == 15
    assert (listed["input"], listed["output"], listed["started_at"]) == (None, None, None)
    for same in (
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
        assert listed[same] == shown[same], same


@pytest.mark.parametrize("cursor", ["nonsense", "", "W10", "e30", "WzEsMiwzXQ", "é", "W25hbiwxLDJd"])
async def test_a_wrong_cursor_is_refused(front: Front, cursor: str) -> None:
    response = await front.http.get("/api/v1/tasks", params={"cursor": cursor})
    assert response.status_code == 400
    assert response.json()["type"] == "urn:opspawn:problem:cursor-invalid"


async def test_a_cursor_is_good_for_its_own_filters_only(front: Front) -> None:
    tag = label(front)
    for _ in range(2):
        await front.submit(tags=[tag])
    page = await front.seen(2, tag=tag, limit=1)
    response = await front.http.get("/api/v1/tasks", params={"cursor": page["next_cursor"], "limit": 1})
    assert response.status_code == 400
    assert "other filters" in response.json()["detail"]
