"""Creating tasks over REST, on a real Temporal server."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionDescription

from api.app import create_app
from tests.integration.api.conftest import ApiHarness, client_of
from tests.integration.api.watching import CountingService
from workflows.search_attributes import AGENT, STATUS, TAGS


@asynccontextmanager
async def counted_api(harness: ApiHarness) -> AsyncIterator[tuple[ApiHarness, CountingService]]:
    """The same API with a Temporal client that counts its calls."""
    service = CountingService(harness.temporal.service_client)
    client = Client(service, data_converter=harness.temporal.data_converter)
    app = create_app(harness.settings, harness.catalog, client=client)
    async with app.router.lifespan_context(app), client_of(app) as http:
        yield replace(harness, http=http, temporal=client), service


@contextmanager
def counted_functions() -> Iterator[Counter[str]]:
    """Count the Python functions that this thread calls, by the top-level package that they are in."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            calls[str(frame.f_globals.get("__name__")).partition(".")[0]] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


async def described(harness: ApiHarness, task_id: str) -> WorkflowExecutionDescription:
    return await harness.temporal.get_workflow_handle(task_id).describe()


async def test_the_response_has_the_location_of_the_new_task(harness: ApiHarness) -> None:
    response = await harness.post(input="What is 6 times 7?", tags=["trial"], metadata={"ticket": "4711"}, user="ada")

    task = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == task["links"]["self"] == f"/api/v1/tasks/{task['id']}"
    assert task["status"] == "queued"
    assert task["input"] == task["title"] == "What is 6 times 7?"
    assert (task["tags"], task["metadata"], task["user"]) == (["trial"], {"ticket": "4711"}, "ada")
    assert task["links"]["temporal_ui"].endswith(f"/namespaces/default/workflows/{task['id']}")


async def test_the_first_response_and_a_later_one_differ_only_in_the_clock(harness: ApiHarness) -> None:
    first = (await harness.post(tags=["a", "b", "a"], metadata={"x": ""}, user="ada")).json()
    again = await harness.task(first["id"])
    lag = datetime.fromisoformat(again.pop("created_at")) - datetime.fromisoformat(first.pop("created_at"))
    assert (first.pop("waiting_for_worker"), again.pop("waiting_for_worker")) == (False, True)
    assert again == first
    assert timedelta() <= lag < timedelta(seconds=5)


async def test_a_task_has_search_attributes_memo_and_summary_in_temporal(harness: ApiHarness) -> None:
    task_id = await harness.submit(input="  \nFirst line\nsecond", tags=["x"])
    execution = await described(harness, task_id)
    attributes = execution.typed_search_attributes
    assert (attributes.get(AGENT), attributes.get(STATUS), attributes.get(TAGS)) == ("assistant", "queued", ["x"])
    assert await execution.memo() == {"title": "First line"}
    assert await execution.static_summary() == "assistant: First line"


async def test_ids_sort_in_the_order_of_creation(harness: ApiHarness) -> None:
    ids = []
    for _ in range(3):
        ids.append(await harness.submit())
        await asyncio.sleep(0.002)  # ids differ by the millisecond
    assert ids == sorted(ids)


async def test_the_same_key_and_body_return_the_first_task(harness: ApiHarness) -> None:
    key = {"Idempotency-Key": f"key {harness.settings.task_queue}"}
    body = {"agent": "assistant", "input": "Hi", "metadata": {"a": "1", "b": "2"}}
    first = await harness.http.post("/api/v1/tasks", json=body, headers=key)
    other_order = {"metadata": {"b": "2", "a": "1"}, "input": "Hi", "agent": "assistant"}
    again = await harness.http.post("/api/v1/tasks", json=other_order, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["location"] == first.headers["location"]


async def test_the_same_key_with_another_body_is_a_conflict(harness: ApiHarness) -> None:
    key = {"Idempotency-Key": harness.settings.task_queue}
    first = await harness.http.post("/api/v1/tasks", json={"agent": "assistant", "input": "one"}, headers=key)
    other = await harness.http.post("/api/v1/tasks", json={"agent": "assistant", "input": "two"}, headers=key)
    assert other.status_code == 409
    assert other.json()["type"] == "urn:opspawn:problem:idempotency-conflict"
    assert first.json()["id"] in other.json()["detail"]


async def test_many_requests_at_once_with_one_key_start_one_task(harness: ApiHarness) -> None:
    key = {"Idempotency-Key": harness.settings.task_queue}
    body = {"agent": "assistant", "input": "once"}
    requests = [harness.http.post("/api/v1/tasks", json=body, headers=key) for _ in range(8)]
    responses = await asyncio.gather(*requests)
    assert sorted(response.status_code for response in responses) == [200] * 7 + [201]
    assert len({response.json()["id"] for response in responses}) == 1


async def test_a_task_can_start_later(harness: ApiHarness) -> None:
    start_at = datetime.now(UTC) + timedelta(hours=2)
    task_id = await harness.submit(start_at=start_at.isoformat())
    execution = await described(harness, task_id)
    assert execution.execution_time is not None
    assert abs(execution.execution_time - start_at) < timedelta(seconds=5)
    task = await harness.task(task_id)
    assert (task["status"], task["started_at"]) == ("queued", None)


async def test_a_task_that_is_steered_before_its_time_starts_no_earlier(harness: ApiHarness) -> None:
    start_at = datetime.now(UTC) + timedelta(hours=2)
    async with harness.worker(["Done."]):
        task_id = await harness.submit(start_at=start_at.isoformat())
        path = f"/api/v1/tasks/{task_id}"
        assert (await harness.http.post(f"{path}/messages", json={"text": "Hello."})).status_code == 202
        assert (await harness.http.patch(f"{path}/limits", json={"max_steps": 50})).status_code == 200
        task = await harness.task(task_id)
        assert (task["status"], task["started_at"], task["steps"]) == ("queued", None, 0)
        assert (await harness.http.post(f"{path}/cancel")).status_code == 202
        task = await harness.task(task_id, wait=20)
    assert (task["status"], task["started_at"], task["usage"]["model_calls"]) == ("cancelled", None, 0)


async def test_limits_and_model_of_the_request_replace_the_agents_own(harness: ApiHarness) -> None:
    requests: list[Any] = []

    async def respond(request: Any) -> str:
        requests.append(request)
        return "done"

    async with harness.worker(respond):
        task_id = await harness.submit(limits={"max_tokens": 3}, model="demo:other")
        task = await harness.task(task_id, wait=20)
    assert requests[0].model == "demo:other"
    assert task["status"] == "completed"
    history = await harness.temporal.get_workflow_handle(task_id).fetch_history()
    argument = history.events[0].workflow_execution_started_event_attributes.input.payloads[0].data.decode()
    assert '"max_tokens":3' in argument
    assert '"max_steps":7' in argument


async def test_an_agent_can_be_defined_in_the_request(harness: ApiHarness) -> None:
    spec = {"name": "guest", "model": "demo:demo", "tools": ["calculator"], "limits": {"max_steps": 2}}
    response = await harness.http.post("/api/v1/tasks", json={"agent_spec": spec, "input": "Hi"})
    assert response.status_code == 201
    assert response.json()["agent"] == "guest"


async def test_content_parts_come_back_as_they_were_sent(harness: ApiHarness) -> None:
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image", "data": "iVBORw0KGgo=", "media_type": "image/png"},
    ]
    task = await harness.task(await harness.submit(input=parts))
    assert [{k: v for k, v in part.items() if v is not None} for part in task["input"]] == parts


async def test_an_input_over_the_payload_threshold_comes_back_complete(harness: ApiHarness) -> None:
    text = "long " * 60_000
    assert (await harness.task(await harness.submit(input=text)))["input"] == text


@pytest.mark.parametrize("text", ["a\0b", "\x1b[31m", "\u202e", "🙂" * 100], ids=["nul", "escape", "bidi", "emoji"])
async def test_odd_characters_of_an_input_are_kept(harness: ApiHarness, text: str) -> None:
    task = await harness.task(await harness.submit(input=text + " end"))
    assert task["input"] == text + " end"
    assert task["title"].isprintable()
    assert len(task["title"]) <= 80


async def test_a_task_takes_one_call_of_temporal(harness: ApiHarness) -> None:
    async with counted_api(harness) as (api, service):
        await api.submit()  # the first one reads Temporal's clock, too
        service.calls.clear()
        await api.submit(tags=["x"], metadata={"ticket": "4711"}, user="ada")
        assert service.calls == {"start_workflow_execution": 1}


async def test_an_idempotency_key_takes_one_call_more(harness: ApiHarness) -> None:
    async with counted_api(harness) as (api, service):
        await api.submit()
        service.calls.clear()
        key = {"Idempotency-Key": f"calls {harness.settings.task_queue}"}
        response = await api.http.post("/api/v1/tasks", json={"agent": "assistant", "input": "Hi"}, headers=key)
        assert response.status_code == 201
        assert service.calls == {"describe_workflow_execution": 1, "start_workflow_execution": 1}


async def test_a_task_takes_few_function_calls(harness: ApiHarness) -> None:
    async with counted_api(harness) as (api, _):
        for _ in range(3):  # the first ones fill caches
            await api.submit()
        with counted_functions() as calls:
            await api.submit()
    ours = ("activities", "agentkit", "api", "email", "fastapi", "pathlib", "starlette")
    assert sum(calls[package] for package in ours) <= 320  # 592 where FastAPI solves the parameters
