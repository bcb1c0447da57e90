"""Watching tasks that continue as new, and across API processes that are killed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from activities.temporal.client import connect
from agentkit.catalog.catalog import load_catalog
from tests.integration.api.conftest import WITHIN, ApiHarness, settings_for
from tests.integration.api.test_api_events import PacedModel
from tests.integration.api.test_api_server import address_of, process
from tests.integration.api.watching import Seen, Served, served
from tests.workflows.conftest import run_dev_server

STEPS = 30


@pytest.fixture(scope="module")
def impatient_temporal() -> Iterator[int]:
    """The port of a server that suggests to continue as new after 40 events."""
    at_once = 'history.workflowIdReuseMinimalInterval="0s"'  # else each continuation waits for a second
    for address in run_dev_server("limit.historyCount.suggestContinueAsNew=40", at_once):
        yield int(address.rpartition(":")[2])


@pytest.fixture
async def harness(tmp_path: Path, impatient_temporal: int) -> AsyncIterator[ApiHarness]:
    """The API with tasks that continue as new every few steps."""
    settings = settings_for(tmp_path, impatient_temporal)
    async with httpx2.AsyncClient() as nothing:
        yield ApiHarness(nothing, await connect(settings), settings, load_catalog(settings))


async def submit(api: Served) -> str:
    body = {"agent": "assistant", "input": "Go", "limits": {"max_steps": STEPS + 1}}
    task_id: str = (await api.http.post("/api/v1/tasks", json=body)).json()["id"]
    return task_id


def runs_of(events: list[Seen]) -> list[str]:
    """Return the run ids that the positions name, in order."""
    return list(dict.fromkeys(str(event.id).split(".")[1] for event in events))


async def test_a_task_that_continues_as_new_is_one_stream(harness: ApiHarness) -> None:
    model = PacedModel(STEPS)
    rng = random.Random(11)
    seen: list[Seen] = []
    async with served(harness) as api, harness.worker(model, harness.catalog.toolset.get("calculator")):
        task_id = await submit(api)
        steady = asyncio.create_task(api.all(task_id))
        while not seen or seen[-1].type != "task.completed":
            model.allowed.release()
            seen += await api.some(task_id, rng.randint(1, 6), seen[-1].id if seen else None)
        events = await api.all(task_id)
        assert await steady == events
        for event in events[:-1:7]:
            assert await api.all(task_id, event.id) == events[events.index(event) + 1 :]
    assert seen == events
    assert len(runs_of(events)) > 3
    assert [event.data["step"] for event in events if event.type == "model.started"] == list(range(1, STEPS + 2))
    assert [event.type for event in events].count("task.started") == 1


async def test_watchers_that_come_in_a_later_run_get_the_events_of_earlier_runs(harness: ApiHarness) -> None:
    model = PacedModel(STEPS)
    async with served(harness) as api, harness.worker(model, harness.catalog.toolset.get("calculator")):
        task_id = await submit(api)
        late: list[asyncio.Task[list[Seen]]] = []
        async with asyncio.timeout(WITHIN), api.stream(f"/tasks/{task_id}/events") as stream:
            async for event in stream:
                if event.type == "model.started":
                    late.append(asyncio.create_task(api.all(task_id)))
                    model.allowed.release()
        events = await api.all(task_id)
        assert all(seen == events for seen in await asyncio.gather(*late))
    assert len(late) == STEPS + 1


async def read(url: str, task_id: str, seen: list[Seen], enough: int) -> None:
    """Resume after ``seen`` and append to it, until it has ``enough`` events or the stream ends."""
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=WITHIN) as http:
        api = Served(app=None, url=url, http=http, stopping=asyncio.Event())  # type: ignore[arg-type]  # another process
        async with api.stream(f"/tasks/{task_id}/events", seen[-1].id if seen else None) as stream:
            async for event in stream:
                seen.append(event)
                if len(seen) == enough:
                    return


async def test_a_stream_is_resumed_at_another_process_when_its_own_is_killed(harness: ApiHarness) -> None:
    model = PacedModel(STEPS)
    seen: list[Seen] = []
    async with harness.worker(model, harness.catalog.toolset.get("calculator")), served(harness) as api:
        task_id = await submit(api)
        for killed in range(1, 3):
            async with process(harness.settings, "--port", "0", "--grpc-port", "0") as started:
                for _ in range(5):
                    model.allowed.release()
                url = await address_of(started)
                reading = asyncio.create_task(read(url, task_id, seen, enough=-1))
                await asyncio.wait_for(read(url, task_id, list(seen), enough=20 * killed), WITHIN)
                started.kill()
                await started.wait()
                with pytest.raises(httpx2.TransportError):
                    await reading
        for _ in range(STEPS):
            model.allowed.release()
        async with process(harness.settings, "--port", "0", "--grpc-port", "0") as started:
            await asyncio.wait_for(read(await address_of(started), task_id, seen, enough=-1), WITHIN)
        assert seen == await api.all(task_id)
    assert seen[-1].type == "task.completed"
