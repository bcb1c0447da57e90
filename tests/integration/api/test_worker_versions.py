"""Workers of two versions side by side: pinned tasks, new ones, those that slept, and those whose version is gone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionInfo, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.worker import Worker

from activities.payload_types import TranscriptPage
from activities.temporal.client import connect
from activities.temporal.versions.version_moves import UPGRADE_SIGNAL
from activities.tenants.tenant_usage import TENANT_USAGE_TYPE, TenantDay
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall
from agentkit.testing import ScriptedResponse
from tests.integration.api.clerk import problem_of
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.talks import Talks
from workflows.replayed_queries import reading_ended_workflows

ASKING = {"name": "asking", "model": "demo:demo", "tools": ["ask_person"]}


class Build:
    """A build of the app: its model calls a tool where the input says so, and then responds with its build id."""

    def __init__(self, build_id: str) -> None:
        self.build_id = build_id
        self.requested = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, request: ModelRequest) -> ScriptedResponse:
        """Respond; to the input "hold" only when the gate is open."""
        text, is_first = request.messages[0].text, request.messages[-1].role == "user"
        if text == "hold" and is_first:
            self.requested.set()
            await self.gate.wait()
            return ToolCall(id="1", name="none")
        if text == "ask" and is_first:
            return ToolCall(id="1", name="ask_person", arguments={"question": "Now?"})
        return self.build_id


def worker_of(api: ApiHarness, build: Build, deployment: str | None = None) -> Worker:
    """Return a worker of a build, and of a deployment other than the task queue's."""
    settings = api.settings.model_copy(update={"build_id": build.build_id, "deployment_name": deployment})
    return replace(api, settings=settings).worker(build)


async def versions(api: ApiHarness) -> dict[str | None, dict[str, Any]]:
    """Return the listed versions by their build ids."""
    return {version["build_id"]: version for version in (await api.get("/workers"))["versions"]}


async def until_polling(api: ApiHarness, build_id: str, count: int = 1) -> None:
    """Return when so many workers of a version poll."""
    await eventually(lambda: versions(api), lambda found: found.get(build_id, {"workers": 0})["workers"] == count)


async def post(api: ApiHarness, path: str, **body: Any) -> dict[str, Any]:
    """Post a request that is accepted; return the response."""
    response = await api.http.post(f"/api/v1{path}", json=body or None)
    assert response.is_success, response.text
    document: dict[str, Any] = response.json()
    return document


async def workflow_info(api: ApiHarness, task_id: str) -> WorkflowExecutionInfo:
    """Return what Temporal knows of a task's workflow."""
    described = await api.temporal.get_workflow_handle(task_id).describe()
    info: WorkflowExecutionInfo = described.raw_description.workflow_execution_info
    return info


async def output(api: ApiHarness, task_id: str) -> Any:
    """Wait for the output of a task."""
    task = await api.task(task_id, wait=WITHIN)
    assert task["status"] == "completed", task
    return task["output"]


async def paused_task(api: ApiHarness, build: Build) -> str:
    """Return the id of a task that is paused between two steps."""
    build.requested.clear()
    task_id = await api.submit(input="hold")
    await asyncio.wait_for(build.requested.wait(), WITHIN)
    await post(api, f"/tasks/{task_id}/pause")
    build.gate.set()
    await eventually(lambda: api.get(f"/tasks/{task_id}/transcript"), lambda page: page["total"] == 3)
    build.gate.clear()
    return task_id


async def waiting_task(api: ApiHarness) -> str:
    """Return the id of a task that waits for a person's answer."""
    task_id = await api.submit(agent=None, agent_spec=ASKING, input="ask")
    await eventually(lambda: api.task(task_id), lambda task: task["status"] == "waiting")
    return task_id


async def answer(api: ApiHarness, task_id: str) -> None:
    await post(api, f"/tasks/{task_id}/input-requests/input_1", decision="answer", answer="Yes")


async def test_running_tasks_stay_on_their_version_and_those_that_sleep_move_when_they_wake(
    harness: ApiHarness,
) -> None:
    one, two, talks = Build("v1"), Build("v2"), Talks(harness)
    async with worker_of(harness, one):
        await until_polling(harness, "v1")
        await post(harness, "/workers/set-current", build_id="v1")
        conversation = await talks.create()
        assert (await talks.say(conversation, "Hello"))["output"] == "v1"
        paused, waiting = await paused_task(harness, one), await waiting_task(harness)
        one.requested.clear()
        running = await harness.submit(input="hold")
        await asyncio.wait_for(one.requested.wait(), WITHIN)
        async with worker_of(harness, two):
            await until_polling(harness, "v2")
            await post(harness, "/workers/set-current", build_id="v2")
            shown = await eventually(lambda: versions(harness), lambda found: found["v1"]["tasks"] == 4)
            assert (shown["v1"]["status"], shown["v2"]["status"]) == ("draining", "current")
            assert set(shown["v1"]["task_ids"]) == {paused, waiting, running, conversation["id"]}
            one.gate.set()
            assert await output(harness, running) == "v1"
            assert await output(harness, await harness.submit(input="New")) == "v2"
            await post(harness, f"/tasks/{paused}/resume")
            assert await output(harness, paused) == "v2"
            await answer(harness, waiting)
            assert await output(harness, waiting) == "v2"
            moved = await talks.send(conversation, "Again", status=202)
            assert await output(harness, moved["id"]) == "v2"
            assert len(await talks.turns(conversation)) == 2
            await eventually(lambda: versions(harness), lambda found: found["v1"]["tasks"] == 0)


async def test_a_drained_version_gives_its_tasks_to_the_current_one(harness: ApiHarness) -> None:
    one, two, queue = Build("v1"), Build("v2"), harness.settings.task_queue
    async with worker_of(harness, one):
        await until_polling(harness, "v1")
        await post(harness, "/workers/set-current", build_id="v1")
        paused, running = await paused_task(harness, one), await harness.submit(input="hold")
        day = TenantDay(tenant="default", day=datetime.now(UTC).date())
        await harness.temporal.start_workflow(TENANT_USAGE_TYPE, day, id=f"usage-{running}", task_queue=queue)
        async with worker_of(harness, two):
            await until_polling(harness, "v2")
            await post(harness, "/workers/set-current", build_id="v2")
            await eventually(lambda: versions(harness), lambda found: found["v1"]["tasks"] == 3)
            assert await post(harness, "/workers/drain", build_id="v1") == {"signalled": 3, "moved": 0, "remaining": 0}
            one.gate.set()
            assert await output(harness, running) == "v2"  # it moved after its first step
            await eventually(lambda: versions(harness), lambda found: found["v1"]["tasks"] == 0)
            assert (await harness.task(paused))["status"] == "paused"
    async with worker_of(harness, two):
        await post(harness, f"/tasks/{paused}/resume")
        assert await output(harness, paused) == "v2"


async def test_a_task_whose_version_is_gone_is_shown_as_stalled_until_it_is_drained(harness: ApiHarness) -> None:
    one, two = Build("v1"), Build("v2")
    async with worker_of(harness, one):
        await until_polling(harness, "v1")
        await post(harness, "/workers/set-current", build_id="v1")
        waiting = await waiting_task(harness)
    async with worker_of(harness, two):
        await until_polling(harness, "v2")
        await until_polling(harness, "v1", 0)
        await post(harness, "/workers/set-current", build_id="v2")
        command = "`opspawn workers drain v1`"
        shown = await harness.task(waiting)
        assert (shown["stalled"]["kind"], shown["waiting_for_worker"]) == ("version", False)
        assert command in shown["stalled"]["message"]
        listed = {task["id"]: task for task in (await harness.get("/tasks", limit=200))["tasks"]}
        assert listed[waiting]["stalled"] == shown["stalled"]
        assert command in (await versions(harness))["v1"]["problem"]
        transcript = await harness.http.get(f"/api/v1/tasks/{waiting}/transcript")
        assert problem_of(transcript) == (503, "workers-silent")
        assert command in transcript.json()["detail"]

        assert await post(harness, "/workers/drain", build_id="v1") == {"signalled": 0, "moved": 1, "remaining": 0}
        assert not (await workflow_info(harness, waiting)).versioning_info.HasField("versioning_override")
        await answer(harness, waiting)
        assert await output(harness, waiting) == "v2"


async def test_workers_whose_version_is_not_current_are_not_ready(harness: ApiHarness) -> None:
    async with worker_of(harness, Build("v1")):
        await until_polling(harness, "v1")
        ready = await harness.http.get("/readyz")
        assert ready.status_code == 503
        assert "`opspawn workers set-current v1`" in ready.json()["detail"]
        task_id = await harness.submit()
        assert "`opspawn workers set-current v1`" in (await harness.task(task_id))["stalled"]["message"]

        assert (await post(harness, "/workers/set-current", build_id="v1"))["current"] == "v1"
        assert (await harness.http.get("/readyz")).status_code == 200
        assert await output(harness, task_id) == "v1"

        refused = [
            await harness.http.post(f"/api/v1/workers/{path}", json={"build_id": build_id})
            for path, build_id in (("set-current", "v2"), ("set-current", None), ("drain", "v1"))
        ]
    assert [problem_of(response) for response in refused] == [(409, "worker-version-refused")] * 3


async def test_ended_tasks_are_read_and_forked_when_the_workers_of_their_version_are_gone(harness: ApiHarness) -> None:
    one, two, talks = Build("v1"), Build("v2"), Talks(harness)
    async with worker_of(harness, one):
        await until_polling(harness, "v1")
        await post(harness, "/workers/set-current", build_id="v1")
        one.gate.set()
        task = await harness.submit(input="hold")  # it calls a tool
        assert await output(harness, task) == "v1"
        conversation = await talks.create()
        await talks.say(conversation, "Hello")
        shown = await harness.get(f"/tasks/{task}/transcript")
        await harness.temporal.get_workflow_handle(conversation["id"]).terminate()
        cut_off = await waiting_task(harness)
        await harness.temporal.get_workflow_handle(cut_off).terminate()
    async with worker_of(harness, two):
        await until_polling(harness, "v2")
        await until_polling(harness, "v1", 0)
        await post(harness, "/workers/set-current", build_id="v2")
        assert await harness.get(f"/tasks/{task}/transcript") == shown
        assert len((await harness.get(f"/tasks/{task}/tool-calls"))["tool_calls"]) == 1
        assert len(await talks.turns(conversation)) == 1
        assert await talks.texts(conversation) == ["Hello", "v1"]
        assert (await harness.get(f"/tasks/{cut_off}/transcript"))["total"] == 2
        two.gate.set()
        fork = await post(harness, f"/tasks/{task}/fork", from_step=1)
        assert await output(harness, fork["id"]) == "v2"
        of_workers = reading_ended_workflows(harness.temporal).get_workflow_handle(task)
        assert (await of_workers.query("transcript", result_type=TranscriptPage)).total == shown["total"]


async def override_version(api: ApiHarness, task_id: str) -> None:
    """Give a task to the current version, as a drain does before it waits for the task to have moved."""
    request = UpdateWorkflowExecutionOptionsRequest(
        namespace=api.temporal.namespace,
        workflow_execution=WorkflowExecution(workflow_id=task_id),
        workflow_execution_options=WorkflowExecutionOptions(versioning_override=VersioningOverride(auto_upgrade=True)),
    )
    request.update_mask.paths.append("versioning_override")
    await api.temporal.workflow_service.update_workflow_execution_options(request)
    await api.temporal.get_workflow_handle(task_id).signal(UPGRADE_SIGNAL)


async def test_tasks_move_from_the_same_version_of_another_deployment_and_stay_pinned(harness: ApiHarness) -> None:
    old, new = Build("v1"), Build("v1")
    async with worker_of(harness, old, "before"):
        await until_polling(harness, "v1")
        assert (await post(harness, "/workers/set-current", build_id="v1"))["deployment"] == "before"
        waiting, cut_short = await waiting_task(harness), await waiting_task(harness)
        of_other_process = replace(harness, temporal=await connect(harness.settings))
        async with worker_of(of_other_process, new, "after"):
            shown = await eventually(lambda: harness.get("/workers"), lambda shown: len(shown["workers"]) == 2)
            assert {(each["deployment"], each["build_id"]) for each in shown["workers"]} == {
                ("before", "v1"),
                ("after", "v1"),
            }
            refused = await harness.http.post("/api/v1/workers/set-current", json={"build_id": "v1"})
            assert problem_of(refused) == (409, "worker-version-refused")
            assert "'after' and 'before'" in refused.json()["detail"]
    async with worker_of(harness, new, "after"):
        await eventually(lambda: harness.get("/workers"), lambda shown: len(shown["workers"]) == 1)
        assert (await post(harness, "/workers/set-current", build_id="v1"))["deployment"] == "after"
        await override_version(harness, cut_short)

        async def ran_on() -> str:
            info = await workflow_info(harness, cut_short)
            return str(info.versioning_info.deployment_version.deployment_name)

        await eventually(ran_on, lambda name: name == "after")
        stuck = [version for version in (await harness.get("/workers"))["versions"] if version["problem"]]
        assert [(version["deployment"], version["task_ids"]) for version in stuck] == [("before", [waiting])]
        drained = await post(harness, "/workers/drain", build_id="v1")
        assert (drained["moved"], drained["remaining"]) == (1, 0)
        for task_id in (waiting, cut_short):
            assert not (await workflow_info(harness, task_id)).versioning_info.HasField("versioning_override")
            await answer(harness, task_id)
            assert await output(harness, task_id) == "v1"


async def test_a_version_is_drained_only_where_workers_would_go_on(harness: ApiHarness) -> None:
    async with worker_of(harness, Build("v1")):
        await until_polling(harness, "v1")
        await post(harness, "/workers/set-current", build_id="v2", allow_no_workers=True)
        drained = await harness.http.post("/api/v1/workers/drain", json={"build_id": "v1"})
        unknown = await harness.http.post("/api/v1/workers/set-current", json={"build_id": "v3", "allow_no_workers": 1})
    assert problem_of(drained) == (409, "worker-version-refused")
    assert unknown.status_code == 422
