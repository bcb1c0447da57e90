"""Erasing tasks: nothing of them is left but their ids, which start nothing again; and what may not be erased stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from temporalio.service import RPCError, RPCStatusCode

from activities.storage.task_file_store import TaskFileStore
from agentkit.interfaces import FileChanges, MemoryScope, NewFile, NewMemory
from agentkit.messages import ToolCall
from agentkit.principal import Role
from agentkit.testing import InMemoryMemory
from agentkit.tools import tool
from api.memories.worker_memory import WorkerMemory
from api.proto.opspawn.v1 import tasks_pb2
from api.tasks.erasure.task_erasure import TaskErasures
from api.tasks.erasure.workflow_erasure import WorkflowErasure
from api.tasks.erasure_progress import ErasureProgress
from api.tasks.task_service import TaskService
from api.tasks.task_workflows import TaskWorkflows
from tests.integration.api.clerk import by_step, problem_of
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually, serve_rest, settings_for
from tests.integration.api.grpc_harness import failure, request, serve_grpc
from tests.integration.api.memory_workers import serving
from tests.integration.api.talks import Talks, accepted
from tests.integration.api.two_tenants import serve_tenants
from tests.tenant_keys import ACME, GLOBEX

SECRET = "planted-8231"
AGENT: dict[str, Any] = {"name": "keeper", "model": "demo:demo", "tools": ["look", "break_down"]}
_TOOLS = '''
from agentkit.tools import tool


@tool(effect="pure")
def look(name: str) -> str:
    """Look."""
    return ""


@tool(effect="pure")
def break_down(name: str) -> str:
    """Fail."""
    return ""
'''


@tool(effect="pure")
def look(name: str) -> str:
    return f"{name}: {SECRET} " * 20_000


@tool(effect="pure")
def break_down(name: str) -> str:
    raise ValueError(f"{name} is {SECRET}")


async def keep_secrets(api: ApiHarness, *, key: str = "") -> str:
    """Run a task that has the secret in its input, arguments, results, output, files and a failure; return its id."""
    calls = [ToolCall(id=name, name=name, arguments={"name": SECRET}) for name in ("look", "break_down")]
    async with api.worker(by_step(calls, f"It is {SECRET}."), look, break_down):
        body = {"agent_spec": AGENT, "input": f"{SECRET} " * 3_000}
        headers = {"Idempotency-Key": key} if key else {}
        response = await api.http.post("/api/v1/tasks", json=body, headers=headers)
        task_id: str = accepted(response, 201)["id"]
        task = await api.task(task_id, wait=WITHIN)
        assert task["status"] == "completed", task
    changes = FileChanges(written={"notes.txt": NewFile(SECRET.encode())}, deleted=frozenset())
    files = TaskFileStore(api.settings.data_dir / "payloads", api.temporal.namespace)
    await files.publish(task_id, "notes", changes, lambda *_: SECRET)
    return task_id


async def erase(api: ApiHarness, task_id: str, **params: Any) -> httpx2.Response:
    return await api.http.delete(f"/api/v1/tasks/{task_id}", params=params)


async def erased_at_once(api: ApiHarness, task_id: str) -> ErasureProgress:
    """Erase a task of which no activity can run any more."""
    tasks = TaskService(api.temporal, api.catalog, api.settings)
    memory = WorkerMemory(api.temporal, api.settings)
    erasures = TaskErasures(api.temporal, tasks, memory, api.settings, grace_s=0)
    await erasures.erase(task_id)
    return await eventually(lambda: erasures.erase(task_id), lambda erased: erased.status == "erased")


def stored_with_secret(api: ApiHarness) -> list[Path]:
    """Return the files of the data directory that have the secret."""
    files = (path for path in api.settings.data_dir.rglob("*") if path.is_file())
    return [path for path in files if SECRET.encode() in path.read_bytes()]


@pytest.fixture
async def keeper(tmp_path: Path, temporal_port: int) -> AsyncIterator[ApiHarness]:
    """An API that knows the tools."""
    settings = settings_for(tmp_path, temporal_port)
    tools = settings.app_dir / "tools"
    tools.mkdir()
    (tools / "look.py").write_text(_TOOLS)
    async with serve_rest(settings) as api:
        yield api


async def test_nothing_is_left_of_an_erased_task_but_an_id_that_starts_nothing(keeper: ApiHarness) -> None:
    key = f"once {keeper.settings.task_queue}"
    task_id = await keep_secrets(keeper, key=key)
    run_id = (await keeper.temporal.get_workflow_handle(task_id).describe()).run_id
    assert len(stored_with_secret(keeper)) >= 4
    async with keeper.worker(["Never."]):
        assert await erased_at_once(keeper, task_id) == ErasureProgress(task_id, "erased")
    again = await keeper.http.post(
        "/api/v1/tasks", json={"agent_spec": AGENT, "input": f"{SECRET} " * 3_000}, headers={"Idempotency-Key": key}
    )
    assert stored_with_secret(keeper) == []
    with pytest.raises(RPCError) as gone:
        await keeper.temporal.get_workflow_handle(task_id, run_id=run_id).fetch_history()
    assert gone.value.status is RPCStatusCode.NOT_FOUND
    left = await keeper.temporal.get_workflow_handle(task_id).fetch_history()
    assert SECRET not in left.to_json()
    assert problem_of(again) == (410, "task-erased")
    assert "Take a new key" in again.json()["detail"]


@pytest.mark.parametrize("path", ["", "/transcript", "/tool-calls", "/files", "/events", "/input-requests"])
async def test_each_read_of_an_erased_task_says_that_it_was_erased(harness: ApiHarness, path: str) -> None:
    task_id = await harness.submit()
    await harness.http.post(f"/api/v1/tasks/{task_id}/terminate")
    accepted(await erase(harness, task_id), 202)
    assert problem_of(await harness.http.get(f"/api/v1/tasks/{task_id}{path}")) == (410, "task-erased")
    assert problem_of(await harness.http.post(f"/api/v1/tasks/{task_id}/pause")) == (410, "task-erased")


async def test_a_running_task_is_not_erased_and_neither_is_an_unknown_one(harness: ApiHarness) -> None:
    task_id = await harness.submit()
    refused = await erase(harness, task_id)
    assert problem_of(refused) == (409, "task-running")
    assert "Cancel or terminate it first" in refused.json()["detail"]
    assert (await harness.task(task_id))["status"] == "queued"
    assert problem_of(await erase(harness, "task-none")) == (404, "task-not-found")


async def test_a_fork_of_an_erased_task_still_reads_what_both_have_in_common(keeper: ApiHarness) -> None:
    source = await keep_secrets(keeper)
    calls = [ToolCall(id="again", name="look", arguments={"name": "x"})]
    async with keeper.worker(by_step("?", calls, "Still here."), look, break_down):
        await keeper.until_worker_polls()
        response = await keeper.http.post(f"/api/v1/tasks/{source}/fork", json={"from_step": 1, "input": "Go on."})
        fork = accepted(response, 201)["id"]
        await keeper.task(fork, wait=WITHIN)
        before = await keeper.get(f"/tasks/{fork}/transcript")
        assert (await erased_at_once(keeper, source)).status == "erased"
    async with keeper.worker(["Never."]):  # it has read nothing yet
        await keeper.until_worker_polls()
        assert await keeper.get(f"/tasks/{fork}/transcript") == before
        assert problem_of(await keeper.http.post(f"/api/v1/tasks/{source}/fork", json={"from_step": 1}))[0] == 410
    assert SECRET in str(before["messages"])


async def test_requests_at_once_erase_a_task_once(harness: ApiHarness) -> None:
    task_id = await harness.submit()
    await harness.http.post(f"/api/v1/tasks/{task_id}/terminate")
    responses = await asyncio.gather(*(erase(harness, task_id) for _ in range(5)))
    body = {"id": task_id, "status": "erasing", "memories": None, "waiting_for_worker": True, "problem": None}
    assert [accepted(response, 202) for response in responses] == [body] * 5
    handle = harness.temporal.get_workflow_handle(task_id)
    assert (await handle.describe()).workflow_type == "TaskErasure"
    await handle.terminate()  # as a person may, in Temporal's Web UI: then the next request starts it again
    assert accepted(await erase(harness, task_id), 202)["status"] == "erasing"
    assert problem_of(await harness.http.get(f"/api/v1/tasks/{task_id}")) == (410, "task-erased")


async def test_a_turn_is_erased_with_its_conversation_only(harness: ApiHarness) -> None:
    talks = Talks(harness)
    async with talks.worker():
        conversation = await talks.create()
        turn = await talks.say(conversation, "Hello")
        refused = await erase(harness, turn["id"])
        assert problem_of(refused) == (409, "erasure-refused")
        assert conversation["id"] in refused.json()["detail"]
        accepted(await talks.request("DELETE", f"/{conversation['id']}"), 202)

        async def status() -> int:
            return (await harness.http.get(f"/api/v1/tasks/{turn['id']}")).status_code

        await eventually(status, lambda code: code == 404)
    gone = await talks.request("GET", f"/{conversation['id']}")
    assert problem_of(gone) == (410, "conversation-erased")


async def test_memories_of_the_task_are_erased_by_choice(harness: ApiHarness) -> None:
    memory = InMemoryMemory()
    scope = MemoryScope(kind="user", owner="ada")
    async with serving(harness, memory):
        task_id = await harness.submit()
        await harness.task(task_id, wait=WITHIN)
        for key, source in (("a", task_id), ("b", "task-other"), ("c", None)):
            await memory.remember(scope, NewMemory(text=f"Fact {key}", key=key, task_id=source))
        assert accepted(await erase(harness, task_id), 202)["memories"] is None
        assert (await memory.list(scope, limit=10)).total == 3
        assert accepted(await erase(harness, task_id, memories=True), 202)["memories"] == 1
    assert {each.text for each in (await memory.list(scope, limit=10)).memories} == {"Fact b", "Fact c"}


async def test_a_memory_that_comes_just_after_the_task_was_ended_is_erased_as_well(harness: ApiHarness) -> None:
    memory = InMemoryMemory()
    scope = MemoryScope(kind="user", owner="ada")
    async with serving(harness, memory):
        task_id = await harness.submit()
        await harness.task(task_id, wait=WITHIN)
        tasks = TaskService(harness.temporal, harness.catalog, harness.settings)
        served = WorkerMemory(harness.temporal, harness.settings)
        erasures = TaskErasures(harness.temporal, tasks, served, harness.settings, grace_s=1)
        await erasures.erase(task_id, memories=True)
        await memory.remember(scope, NewMemory(text="Late", key="a", task_id=task_id))
    async with harness.worker(["Never."]):
        waiting = await eventually(lambda: erasures.erase(task_id), lambda erased: erased.problem is not None)
    assert (waiting.status, waiting.problem) == ("erasing", "It waits for a worker that serves long-term memory.")
    async with serving(harness, memory):
        await eventually(lambda: erasures.erase(task_id), lambda erased: erased.status == "erased")
    assert (await memory.list(scope, limit=10)).total == 0


class CountingMemory(InMemoryMemory):
    """Counts how often the memories of a task are looked for."""

    looks = 0

    async def erase_of_task(self, tenant: str, task_id: str) -> int:
        self.looks += 1
        return await super().erase_of_task(tenant, task_id)


async def test_an_erasure_that_started_without_memories_erases_them_on_a_later_request(harness: ApiHarness) -> None:
    memory = CountingMemory()
    scope = MemoryScope(kind="user", owner="ada")
    async with serving(harness, memory):
        task_id = await harness.submit()
        await harness.task(task_id, wait=WITHIN)
        tasks = TaskService(harness.temporal, harness.catalog, harness.settings)
        served = WorkerMemory(harness.temporal, harness.settings)
        erasures = TaskErasures(harness.temporal, tasks, served, harness.settings, grace_s=1)
        await erasures.erase(task_id)
        await erasures.erase(task_id, memories=True)
        await memory.remember(scope, NewMemory(text="Late", key="a", task_id=task_id))
        await eventually(lambda: erasures.erase(task_id), lambda erased: erased.status == "erased")
        assert (await memory.list(scope, limit=10)).total == 0
        looks = memory.looks
        again = await erasures.erase(task_id, memories=True)
        assert (again.status, again.memories, memory.looks) == ("erased", 0, looks)


async def test_an_erasure_that_has_ended_without_memories_erases_them_on_a_later_request(harness: ApiHarness) -> None:
    memory = CountingMemory()
    async with serving(harness, memory):
        task_id = await harness.submit()
        await harness.task(task_id, wait=WITHIN)
        await erased_at_once(harness, task_id)
        assert accepted(await erase(harness, task_id, memories=True), 202)["memories"] == 0

        async def again() -> ErasureProgress:
            return await erased_at_once(harness, task_id)

        await eventually(again, lambda _: memory.looks == 2)
        assert accepted(await erase(harness, task_id, memories=True), 202)["status"] == "erased"
    assert memory.looks == 2


async def test_of_two_requests_at_once_the_one_with_memories_counts(harness: ApiHarness) -> None:
    task_id = await harness.submit()
    await harness.http.post(f"/api/v1/tasks/{task_id}/terminate")
    task = await harness.temporal.get_workflow_handle(task_id).describe()
    workflows = TaskWorkflows(harness.temporal, harness.settings)
    erasure = WorkflowErasure(harness.temporal, harness.settings, workflows)
    await erasure.start(task)
    started = await erasure.start(task, memories=True)
    events = harness.temporal.get_workflow_handle(task_id, run_id=started.run_id).fetch_history_events()
    signals = [each.workflow_execution_signaled_event_attributes.signal_name async for each in events]
    assert [name for name in signals if name] == ["erase_memories"]


async def test_where_memories_cannot_be_erased_nothing_is(harness: ApiHarness) -> None:
    task_id = await harness.submit()
    await harness.http.post(f"/api/v1/tasks/{task_id}/terminate")
    assert problem_of(await erase(harness, task_id, memories=True)) == (503, "memory-not-served")
    assert (await harness.task(task_id))["status"] == "terminated"


async def test_grpc_erases_by_the_same_rules(harness: ApiHarness) -> None:
    async with serve_grpc(harness) as api:
        created = await api.stub.CreateTask(request(idempotency_key=harness.settings.task_queue), timeout=WITHIN)
        erasing = tasks_pb2.DeleteTaskRequest(task_id=created.task.id)
        running = await failure(api.stub.DeleteTask(erasing, timeout=WITHIN))
        await harness.http.post(f"/api/v1/tasks/{created.task.id}/terminate")
        response = await api.stub.DeleteTask(erasing, timeout=WITHIN)
        shown = await failure(api.task(created.task.id))
        again = await failure(api.stub.CreateTask(request(idempotency_key=harness.settings.task_queue), timeout=WITHIN))
    assert (running.code, running.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TASK_RUNNING")
    assert (response.task_id, response.erased, response.HasField("memories")) == (created.task.id, False, False)
    assert (shown.code, shown.reason) == (again.code, again.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_ERASED")


async def test_an_erased_task_stays_its_tenants_whoever_erased_it(tmp_path: Path, temporal_port: int) -> None:
    async with serve_tenants(settings_for(tmp_path, temporal_port)) as tenants:
        task_id = await tenants.acme.submit()
        await tenants.acme.http.post(f"/api/v1/tasks/{task_id}/terminate")
        roles: tuple[Role, ...] = ("viewer", "approver")
        for role in roles:
            assert problem_of(await erase(tenants.of(ACME, role), task_id)) == (403, "role-missing")
        assert problem_of(await erase(tenants.of(GLOBEX), task_id)) == (404, "task-not-found")
        accepted(await erase(tenants.admin, task_id), 202)
        shown = [await tenants.of(tenant).http.get(f"/api/v1/tasks/{task_id}") for tenant in (ACME, GLOBEX)]
    assert list(map(problem_of, shown)) == [(410, "task-erased"), (404, "task-not-found")]
