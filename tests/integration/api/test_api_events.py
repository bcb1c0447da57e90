"""Watching tasks over server-sent events: from their start, resumed, and refused."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from agentkit.errors import ModelUnavailable, ToolUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall, user_message
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedResponse
from agentkit.tools import tool
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.gated_model import GatedModel
from tests.integration.api.watching import Seen, Served, served
from workflows.task_types import TaskInput

DISCONNECTS = 200
STEPS = 60


@dataclass
class PacedModel:
    """A model that responds once for each time ``allowed`` is released, with a tool call in all but the last step."""

    steps: int
    allowed: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def __call__(self, request: ModelRequest) -> ScriptedResponse:
        await self.allowed.acquire()
        step = sum(message.role == "assistant" for message in request.messages)
        if step == self.steps:
            return "The end."
        return ToolCall(id=f"c{step}", name="calculator", arguments={"expression": f"{step}+1"})


async def completed_task(harness: ApiHarness, steps: int = 2) -> str:
    """Run a task to its end; return its id."""
    model = PacedModel(steps)
    for _ in range(steps + 1):
        model.allowed.release()
    async with harness.worker(model, harness.catalog.toolset.get("calculator")):
        task_id = await harness.submit(limits={"max_steps": steps + 1})
        assert (await harness.task(task_id, wait=WITHIN))["status"] == "completed"
    return task_id


async def test_the_stream_of_an_ended_task_has_all_events_and_ends(harness: ApiHarness) -> None:
    task_id = await completed_task(harness, steps=1)
    async with served(harness) as api, api.stream(f"/tasks/{task_id}/events") as stream:
        events = [event async for event in stream]
        headers = stream.response.headers
    assert [event.type for event in events] == [
        *("task.status", "task.started", "task.status", "model.started", "model.completed"),
        *("tool.started", "tool.completed", "model.started", "model.completed", "task.status", "task.completed"),
    ]
    assert headers["content-type"].startswith("text/event-stream")
    assert "no-cache" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"
    assert {event.data["task_id"] for event in events} == {task_id}
    assert all(event.data["type"] == event.type and event.data["at"].endswith("Z") for event in events)
    assert events[-1].data["output"] == "The end."
    assert (await harness.task(task_id))["links"]["events"] == f"/api/v1/tasks/{task_id}/events"


async def test_every_position_resumes_exactly_after_it(harness: ApiHarness) -> None:
    task_id = await completed_task(harness)
    async with served(harness) as api:
        events = await api.all(task_id)
        for number, event in enumerate(events[:-1]):
            assert await api.all(task_id, event.id) == events[number + 1 :]
        path = f"/tasks/{task_id}/events"
        async with api.stream(path, after=None, params={"after": events[3].id}) as by_query:
            assert [event async for event in by_query] == events[4:]
        async with api.stream(path, after=events[5].id, params={"after": events[3].id}) as by_both:
            assert [event async for event in by_both] == events[6:]


async def test_a_watcher_of_an_ended_task_that_has_all_events_gets_204(harness: ApiHarness) -> None:
    task_id = await completed_task(harness)
    async with served(harness) as api:
        events = await api.all(task_id)
        again = await api.http.get(f"/api/v1/tasks/{task_id}/events", headers={"Last-Event-ID": str(events[-1].id)})
    assert (again.status_code, again.content) == (204, b"")


async def test_a_client_that_disconnects_200_times_sees_each_event_once_and_in_order(harness: ApiHarness) -> None:
    model = PacedModel(STEPS)
    rng = random.Random(7)
    seen: list[Seen] = []
    disconnects = 0
    async with served(harness) as api, harness.worker(model, harness.catalog.toolset.get("calculator")):
        task_id = await harness.submit(limits={"max_steps": STEPS + 1})
        while not seen or seen[-1].type != "task.completed":
            if disconnects % 3 == 0:
                model.allowed.release()
            seen += await api.some(task_id, rng.choice((0, 1, 1, 2)), seen[-1].id if seen else None)
            disconnects += 1
        events = await api.all(task_id)
    assert disconnects > DISCONNECTS
    assert seen == events
    assert len(events) > 4 * STEPS


async def test_events_of_a_running_task_come_as_they_happen(harness: ApiHarness) -> None:
    model = PacedModel(2)
    async with served(harness) as api:
        task_id = await harness.submit()
        async with asyncio.timeout(WITHIN), api.stream(f"/tasks/{task_id}/events") as stream:
            types = []
            async for event in stream:
                types.append(event.type)
                if event.data.get("status") == "queued":
                    worker = harness.worker(model, harness.catalog.toolset.get("calculator"))
                    running = asyncio.create_task(worker.run())
                if event.type == "model.started":
                    model.allowed.release()
        await worker.shutdown()
        await running
    assert types.count("model.started") == types.count("model.completed") == 3
    assert types[-1] == "task.completed"


async def test_retries_of_models_are_live_events_without_an_id(harness: ApiHarness) -> None:
    failing = ModelUnavailable("The provider is overloaded.", status=529, retry_after=2.5)
    async with served(harness) as api, harness.worker([failing, "at last"]):
        task_id = await harness.submit()
        events = await api.all(task_id)
        later = await api.all(task_id)
    (retrying,) = [event for event in events if event.type == "model.retrying"]
    assert retrying.id is None
    assert (retrying.data["step"], retrying.data["attempt"], retrying.data["model"]) == (1, 2, "demo:demo")
    assert retrying.data["error"]["type"] == "ModelUnavailable"
    assert "overloaded" in retrying.data["error"]["message"]
    assert later == [event for event in events if event is not retrying]


@tool(effect="idempotent")
async def flaky() -> str:
    """Fail each time."""
    raise ToolUnavailable("Not now.")


async def test_retries_of_tools_are_live_events_that_new_watchers_get_too(harness: ApiHarness) -> None:
    agent = AgentSpec(name="a", models=("demo:m",), planner="tools", tools=(flaky.spec,))
    task = TaskInput(agent=agent, message=user_message("Go."))
    queue = harness.settings.task_queue
    async with served(harness) as api, harness.worker([ToolCall(id="1", name="flaky"), "done"], flaky):
        handle = await harness.temporal.start_workflow("AgentTask", task, id=f"by-hand-{queue}", task_queue=queue)
        async with asyncio.timeout(WITHIN), api.stream(f"/tasks/{handle.id}/events") as stream:
            async for retrying in stream:
                if retrying.type == "tool.retrying":
                    of_a_new_watcher = await first_retrying(api, handle.id)
                    break
        await handle.terminate()
    assert retrying.data["call"]["name"] == "flaky"
    assert retrying.data["attempt"] in (2, 3), "the second attempt may fail while Temporal is polled"
    assert (retrying.data["max_attempts"], retrying.id) == (4, None)
    assert retrying.data["error"] == {"type": "ToolUnavailable", "message": "Not now."}
    assert of_a_new_watcher == retrying


async def first_retrying(api: Served, task_id: str) -> Seen:
    """Return the first ``tool.retrying`` event of a stream."""
    async with api.stream(f"/tasks/{task_id}/events") as stream:
        async for event in stream:
            if event.type == "tool.retrying":
                return event
    raise AssertionError("the stream ended")


async def test_the_task_is_followed_no_longer_when_its_last_watcher_disconnects(harness: ApiHarness) -> None:
    task_id = await harness.submit()
    async with served(harness) as api:
        hub = api.app.state.opspawn.hub
        assert await api.some(task_id, 1)

        async def watched() -> frozenset[str]:
            task_ids: frozenset[str] = hub.watched
            return task_ids

        await eventually(watched, lambda task_ids: not task_ids)


async def test_a_stopping_server_ends_streams_with_a_comment(harness: ApiHarness) -> None:
    gate = GatedModel()
    async with served(harness) as api, harness.worker(gate):
        task_id = await harness.submit()
        async with asyncio.timeout(5), api.stream(f"/tasks/{task_id}/events") as stream:
            async for event in stream:
                if event.type == "model.started":
                    api.stopping.set()
        gate.released.set()
    assert "server stops" in stream.comments[-1]


@pytest.mark.parametrize(
    ("position", "detail"),
    [
        ("garbage", "isn't a position"),
        ("0", "isn't a position"),
        ("ffffffffffff.01a1ffcd5e857cd781f67b759043dc53.1.0", "another task"),
    ],
)
async def test_an_invalid_position_is_refused(harness: ApiHarness, position: str, detail: str) -> None:
    task_id = await harness.submit()
    for sent in ({"headers": {"Last-Event-ID": position}}, {"params": {"after": position}}):
        response = await harness.http.get(f"/api/v1/tasks/{task_id}/events", **sent)  # type: ignore[arg-type]  # either
        assert response.status_code == 400
        assert response.json()["type"] == "urn:opspawn:problem:position-invalid"
        assert detail in response.json()["detail"]


async def test_positions_of_another_task_and_from_the_future_are_refused(harness: ApiHarness) -> None:
    task_id, other = await harness.submit(), await harness.submit()
    async with served(harness) as api:
        (event,) = await api.some(task_id, 1)
        assert event.id is not None
        digest, run_id, event_id, index = event.id.split(".")
        for watched, position in (
            (other, event.id),
            (task_id, f"{digest}.{run_id}.{int(event_id) + 1000}.{index}"),
            (task_id, f"{digest}.{run_id[::-1]}.{event_id}.{index}"),
        ):
            response = await api.http.get(f"/api/v1/tasks/{watched}/events", params={"after": position})
            assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")


async def test_an_unknown_task_is_404_before_the_stream_opens(harness: ApiHarness) -> None:
    other = await harness.temporal.start_workflow("Other", id=harness.settings.task_queue, task_queue="none")
    for task_id in ("no-task", other.id):
        response = await harness.http.get(f"/api/v1/tasks/{task_id}/events")
        assert response.status_code == 404
        assert response.json()["type"] == "urn:opspawn:problem:task-not-found"


async def test_status_changes_of_all_tasks_are_streamed(harness: ApiHarness) -> None:
    gate = GatedModel()
    changes = []
    async with served(harness) as api, harness.worker(gate), asyncio.timeout(WITHIN), api.stream("/events") as stream:
        await harness.submit(input=harness.settings.task_queue)
        async for event in stream:
            if event.data["title"] != harness.settings.task_queue:
                continue
            changes.append((event.type, event.data["status"], event.data["agent"], event.id))
            gate.released.set()
            if event.data["status"] == "completed":
                break
    assert changes[-1] == ("task.status", "completed", "assistant", None)
    assert ("task.status", "running", "assistant", None) in changes


async def test_only_pages_of_allowed_origins_may_watch(harness: ApiHarness) -> None:
    task_id = await completed_task(harness, steps=0)
    origin = "https://chat.example.com"
    async with served(harness) as closed, served(harness, cors_origins=(origin,)) as opened:
        for api, allowed in ((closed, None), (opened, origin)):
            response = await api.http.get(f"/api/v1/tasks/{task_id}/events", headers={"Origin": origin})
            refused = await api.http.get("/api/v1/tasks/no-task/events", headers={"Origin": origin})
            assert response.headers.get("access-control-allow-origin") == allowed
            assert refused.headers.get("access-control-allow-origin") == allowed
