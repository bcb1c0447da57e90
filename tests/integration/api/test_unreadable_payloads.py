"""Tasks whose stored payloads are missing, damaged or elsewhere: problems that name the place, and never a 500."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from grpc import StatusCode
from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from activities.storage.message_storage import MessageStorage
from activities.temporal.client import connect
from agentkit.messages import Usage, user_message
from agentkit.specs import AgentSpec
from agentkit.transcript import Transcript
from api.app import create_app
from api.proto.opspawn.v1 import tasks_pb2
from tests.integration.api.conftest import WITHIN, ApiHarness, client_of
from tests.integration.api.grpc_harness import failure, request, serve_grpc
from tests.integration.api.watching import Seen, served
from workflows.task_types import WORKFLOW_TYPE, CarriedState, TaskInput

LARGE = 200_000
"""Characters that are stored in a file."""

Damage = Callable[[Path], object]


def stored(harness: ApiHarness) -> list[Path]:
    return [path for path in harness.settings.data_dir.rglob("*") if path.is_file()]


def replace_by_directory(file: Path) -> None:
    """Make reading the file an error, for root, too."""
    file.unlink()
    file.mkdir()


async def completed_task(harness: ApiHarness) -> str:
    """Run a task with a large input and output to its end; return its id."""
    async with harness.worker(["o" * LARGE]):
        task_id = await harness.submit(input="i" * LARGE)
        assert (await harness.task(task_id, wait=WITHIN))["status"] == "completed"
    return task_id


@asynccontextmanager
async def api_elsewhere(harness: ApiHarness, directory: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """An API with another data directory than its workers have."""
    settings = harness.settings.model_copy(update={"data_dir": directory})
    app = create_app(settings, harness.catalog, client=await connect(settings))
    async with app.router.lifespan_context(app), client_of(app) as http:
        yield http


def assert_problem(response: httpx2.Response, place: Path | str) -> None:
    problem = response.json()
    assert (response.status_code, problem["type"]) == (503, "urn:opspawn:problem:payload-unavailable"), problem
    assert str(place) in problem["detail"]
    assert "retry-after" not in response.headers


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(Path.unlink, "OPSPAWN_DATA_DIR", id="deleted"),
        pytest.param(lambda file: file.write_bytes(b"x"), "damaged", id="damaged"),
        pytest.param(replace_by_directory, "permissions", id="unreadable"),
    ],
)
async def test_a_task_whose_payloads_are_unreadable_is_a_problem_over_rest_and_grpc(
    harness: ApiHarness, damage: Damage, reason: str
) -> None:
    task_id = await completed_task(harness)
    directory = harness.settings.data_dir / "payloads"
    for file in stored(harness):
        damage(file)
    for params in ({}, {"wait": "5"}):
        response = await harness.http.get(f"/api/v1/tasks/{task_id}", params=params)
        assert_problem(response, directory)
        assert reason in response.json()["detail"]
    async with serve_grpc(harness) as grpc:
        failed = await failure(grpc.stub.GetTask(tasks_pb2.GetTaskRequest(task_id=task_id), timeout=WITHIN))
    assert (failed.code, failed.reason, failed.retry_seconds) == (StatusCode.UNAVAILABLE, "PAYLOAD_UNAVAILABLE", 0)
    assert str(directory) in failed.message


async def test_events_of_unreadable_payloads_have_the_reason_and_go_on_to_the_last(harness: ApiHarness) -> None:
    task_id = await completed_task(harness)
    for file in stored(harness):
        file.unlink()
    async with served(harness) as api, serve_grpc(harness) as grpc:
        events = await api.all(task_id)
        grpc_events = await grpc.all(task_id)
    damaged = [event for event in events if event.type in ("task.started", "model.completed", "task.completed")]
    assert len(damaged) == 3
    for event in damaged:
        assert str(harness.settings.data_dir) in event.data["unreadable"], event
    assert events[-1] is damaged[-1]
    assert [event.type for event in grpc_events] == [event.type for event in events]


async def test_a_list_shows_tasks_whose_payloads_are_unreadable_and_all_others(harness: ApiHarness) -> None:
    metadata = {f"key-{number}": "€" * 1024 for number in range(50)}
    async with harness.worker(["small"]):
        task_id = await harness.submit(metadata=metadata, tags=[harness.settings.task_queue])
        await harness.task(task_id, wait=WITHIN)
    other = await harness.submit(tags=[harness.settings.task_queue])
    for file in stored(harness):
        file.unlink()
    page = await harness.listed(2, tag=harness.settings.task_queue)
    assert [task["id"] for task in page["tasks"]] == [other, task_id]
    assert (page["tasks"][1]["status"], page["tasks"][1]["metadata"]) == ("completed", {})
    assert_problem(await harness.http.get(f"/api/v1/tasks/{task_id}"), harness.settings.data_dir)


async def test_an_api_with_another_data_directory_names_the_file_it_misses(harness: ApiHarness, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    async with harness.worker(["o" * LARGE]):
        task_id = await harness.submit(input="i" * LARGE)
        await harness.task(task_id, wait=WITHIN)
        async with api_elsewhere(harness, elsewhere) as http:
            assert_problem(await http.get(f"/api/v1/tasks/{task_id}"), elsewhere)
            transcript = await http.get(f"/api/v1/tasks/{task_id}/transcript")
            assert transcript.json()["total"] == 2, "a worker answers with the messages, not with files"
            key = {"Idempotency-Key": harness.settings.task_queue}
            body = {"agent": "assistant", "input": "i" * LARGE}
            created = await http.post("/api/v1/tasks", json=body, headers=key)
            assert created.status_code == 201


async def test_a_transcript_that_workers_can_not_read_is_the_same_problem(harness: ApiHarness) -> None:
    task_id = await completed_task(harness)
    for file in stored(harness):
        file.unlink()
    async with harness.worker([]):
        await harness.until_worker_polls()
        response = await harness.http.get(f"/api/v1/tasks/{task_id}/transcript")
    assert_problem(response, harness.settings.data_dir)


async def test_a_transcript_is_read_without_storing_it_again(harness: ApiHarness) -> None:
    async with harness.worker(["o" * 12_000]):
        task_id = await harness.submit(input="i" * 12_000)
        await harness.task(task_id, wait=WITHIN)
        harness.settings.data_dir.mkdir(exist_ok=True)
        (harness.settings.data_dir / "payloads").write_text("not a directory")
        response = await harness.http.get(f"/api/v1/tasks/{task_id}/transcript")
    assert (response.status_code, response.json()["total"]) == (200, 2)


async def test_messages_that_earlier_runs_of_a_task_stored_are_read_and_missing_ones_are_the_same_problem(
    harness: ApiHarness,
) -> None:
    task_id = f"task-{uuid.uuid4().hex}"
    earlier = [user_message("Go."), user_message("r" * LARGE), user_message("s")]
    stored_pages = await MessageStorage(harness.temporal).write(task_id, 0, earlier)
    state = CarriedState(
        usage=Usage(),
        steps=1,
        started_at=datetime.now(UTC),
        stored=tuple(stored_pages),
        stored_digest=Transcript(earlier).digest(3),
    )
    agent = AgentSpec(name="assistant", models=("scripted:m",), planner="placeholder")
    await harness.temporal.start_workflow(
        WORKFLOW_TYPE,
        args=[TaskInput(agent=agent, message=earlier[0]), state],
        id=task_id,
        task_queue=harness.settings.task_queue,
    )
    path = f"/api/v1/tasks/{task_id}/transcript"
    async with harness.worker([]):
        assert (await harness.task(task_id, wait=WITHIN))["status"] == "completed"
        messages: list[str] = []
        start: int | None = 0
        while start is not None:
            page = (await harness.http.get(path, params={"start": start, "limit": 2})).json()
            messages += [message["parts"][0]["text"] for message in page["messages"]]
            start = page.get("next_start")
        assert messages == ["Go.", "r" * LARGE, "s", ""]
        for file in stored(harness):
            file.unlink()
        assert_problem(await harness.http.get(path), harness.settings.data_dir)


async def test_a_task_with_unreadable_payloads_can_still_be_stopped(harness: ApiHarness) -> None:
    for action, status in (("cancel", "queued"), ("terminate", "terminated")):
        task_id = await harness.submit(input="i" * LARGE)
        for file in stored(harness):
            file.unlink()
        response = await harness.http.post(f"/api/v1/tasks/{task_id}/{action}")
        assert (response.status_code, response.json()["status"]) == (202, status), response.text


async def test_an_input_that_can_not_be_stored_is_a_problem(harness: ApiHarness) -> None:
    harness.settings.data_dir.mkdir(exist_ok=True)
    (harness.settings.data_dir / "payloads").write_text("not a directory")
    assert_problem(await harness.post(input="i" * LARGE), harness.settings.data_dir / "payloads")
    async with serve_grpc(harness) as grpc:
        failed = await failure(grpc.stub.CreateTask(request("i" * LARGE), timeout=WITHIN))
    assert failed.reason == "PAYLOAD_UNAVAILABLE"
    assert (await harness.post()).status_code == 201


async def test_the_feed_of_all_tasks_goes_on_after_a_task_whose_memo_no_one_can_read(harness: ApiHarness) -> None:
    queue = harness.settings.task_queue
    foreign = await Client.connect(harness.temporal.service_client.config.target_host)
    unreadable = Payload(metadata={"encoding": b"binary/encrypted"}, data=b"?")
    ours: list[Seen] = []
    async with served(harness) as api, api.stream("/events") as stream, asyncio.timeout(WITHIN):
        await foreign.start_workflow("AgentTask", id=f"{queue}-1", task_queue=queue, memo={"title": unreadable})
        async for event in stream:
            if event.data["task_id"].startswith(queue):
                ours.append(event)
                if len(ours) == 2:
                    break
                await foreign.start_workflow("AgentTask", id=f"{queue}-2", task_queue=queue, memo={"title": "Hello"})
    assert (ours[0].data["title"], "unreadable" in ours[0].data) == ("", True)
    assert (ours[1].data["title"], "unreadable" in ours[1].data) == ("Hello", False)
    page = await harness.get("/tasks")
    assert {f"{queue}-1", f"{queue}-2"} <= {task["id"] for task in page["tasks"]}
