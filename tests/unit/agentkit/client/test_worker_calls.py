"""The client's calls about workers against a scripted API."""

from __future__ import annotations

from agentkit.client import OpspawnClient
from tests.unit.scripted_api import ScriptedApi

LISTED = {
    "deployment": "shop",
    "task_queue": "shop",
    "current": "v2",
    "versions": [
        {"deployment": "shop", "build_id": "v1", "status": "draining", "workers": 1, "tasks": 2, "task_ids": ["task-1"]}
    ],
    "workers": [{"identity": "1@host", "deployment": "shop", "build_id": "v1", "last_poll_at": "2026-11-28T10:00:00Z"}],
}


async def test_workers_are_listed_made_current_and_drained(api: ScriptedApi) -> None:
    api.on("GET", "/workers", LISTED)
    api.on("POST", "/workers/set-current", LISTED)
    api.on("POST", "/workers/drain", {"signalled": 2, "moved": 1, "remaining": 3})

    async with OpspawnClient(api.url) as client:
        listed = await client.workers.list()
        await client.workers.set_current(None)
        await client.workers.set_current("v2", allow_no_workers=True)
        drained = await client.workers.drain("v1", override=True)

    (version,) = listed.versions
    assert (listed.current, version.build_id, version.tasks, listed.workers[0].build_id) == ("v2", "v1", 2, "v1")
    assert (version.deployment, listed.workers[0].deployment) == ("shop", "shop")
    assert (drained.signalled, drained.moved, drained.remaining) == (2, 1, 3)
    assert [request.body for request in api.requests[1:]] == [
        {"build_id": None, "allow_no_workers": False},
        {"build_id": "v2", "allow_no_workers": True},
        {"build_id": "v1", "override": True},
    ]
