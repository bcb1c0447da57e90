"""Notices about a task that no worker takes."""

from __future__ import annotations

import asyncio

import pytest

from agentkit.client import OpspawnClient, Task
from cli.views.worker_watch import WorkerWatch
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, problem, task

SYSTEM = {"task_queue": "mine", "temporal": "127.0.0.1:7233", "worker_command": "opspawn worker --app-dir /srv/app"}


async def notices(api: ScriptedApi, capsys: pytest.CaptureFixture[str], first: Task, *, silence_s: float) -> list[str]:
    """Run a watch until it has shown what the first four responses contain, and return the lines on stderr."""
    async with OpspawnClient(api.url) as client:
        watch = WorkerWatch(client, first, asyncio.Lock(), silence_s=silence_s, intervals_s=(0.01,))
        running = asyncio.create_task(watch.run())
        await asyncio.to_thread(api.wait_for_request, "GET", "/tasks/task-1", count=5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return capsys.readouterr().err.splitlines()


async def test_a_silent_task_without_a_worker_is_reported_once_with_the_command_that_starts_one(
    api: ScriptedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = task("queued", waiting_for_worker=True)
    api.on("GET", "/tasks/task-1", task("queued"), waiting, waiting, task("running"))
    api.on("GET", "/system", SYSTEM)

    lines = await notices(api, capsys, Task.from_json(task("queued")), silence_s=0)

    assert lines[0].startswith("No worker polls task queue 'mine', so the task waits. Start one: `")
    assert lines[0].endswith("opspawn worker --app-dir /srv/app`")
    assert lines[1:] == ["A worker polls again, and the task goes on."]


async def test_a_task_that_waits_from_the_start_is_reported_at_once(
    api: ScriptedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = task("queued", waiting_for_worker=True)
    api.on("GET", "/tasks/task-1", waiting)
    api.on("GET", "/system", problem(404, "Not found", "an older API"))

    lines = await notices(api, capsys, Task.from_json(waiting), silence_s=60)

    assert len(lines) == 1
    assert lines[0].startswith("No worker polls the task's queue, so it waits. Start one: `")


async def test_an_api_without_the_field_or_without_a_response_is_no_reason_for_a_notice(
    api: ScriptedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.on("GET", "/tasks/task-1", task("queued"), ScriptedResponse(0, None), problem(503, "Down", "x"), task("queued"))

    assert await notices(api, capsys, Task.from_json(task("queued")), silence_s=0) == []


async def test_a_task_with_updates_is_not_asked_for(api: ScriptedApi) -> None:
    async with OpspawnClient(api.url) as client:
        watch = WorkerWatch(client, Task.from_json(task("running")), asyncio.Lock(), silence_s=60, intervals_s=(0.001,))
        watch.on_update()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watch.run(), 0.2)

    assert api.requests == []
