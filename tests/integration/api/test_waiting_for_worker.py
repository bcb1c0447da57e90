"""Tasks are shown as waiting for a worker, at a bounded cost; a silent worker hides nothing of other tasks."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest
from temporalio.client import Client, Interceptor, OutboundInterceptor, QueryWorkflowInput

from activities.temporal.task_queue_pollers import recent_pollers
from api.app import create_app
from tests.integration.api.conftest import WITHIN, ApiHarness, client_of, eventually
from tests.integration.api.gated_model import GatedModel
from tests.integration.api.grpc_harness import serve_grpc
from tests.integration.api.watching import CountingService


async def test_a_task_waits_for_a_worker_until_one_polls(harness: ApiHarness) -> None:
    tag, gate = harness.settings.task_queue, GatedModel()
    task_id = await harness.submit(tags=[tag])
    assert (await harness.task(task_id))["waiting_for_worker"] is True
    async with serve_grpc(harness) as grpc:
        assert (await grpc.task(task_id)).waiting_for_worker is True
    (listed,) = (await harness.listed(1, tag=tag))["tasks"]
    assert (listed["status"], listed["waiting_for_worker"]) == ("queued", True)
    async with harness.worker(gate):
        await eventually(lambda: harness.task(task_id), lambda task: task["waiting_for_worker"] is False)
        (listed,) = (await harness.listed(1, tag=tag, status="running"))["tasks"]
        assert listed["waiting_for_worker"] is False
        gate.released.set()
        assert (await harness.task(task_id, wait=WITHIN))["waiting_for_worker"] is False


async def test_an_ended_task_waits_for_no_worker(harness: ApiHarness) -> None:
    tag = harness.settings.task_queue
    task_id = await harness.submit(tags=[tag])
    ended = await harness.http.post(f"/api/v1/tasks/{task_id}/terminate")
    assert (ended.json()["status"], ended.json()["waiting_for_worker"]) == ("terminated", False)
    (listed,) = (await harness.listed(1, tag=tag, status="terminated"))["tasks"]
    assert listed["waiting_for_worker"] is False


async def test_the_check_costs_one_call_for_a_list_and_none_for_a_new_task(harness: ApiHarness) -> None:
    service = CountingService(harness.temporal.service_client)
    client = Client(service, data_converter=harness.temporal.data_converter)
    app = create_app(harness.settings, harness.catalog, client=client)
    async with app.router.lifespan_context(app), client_of(app) as http:
        body = {"agent": "assistant", "input": "Hello", "tags": [harness.settings.task_queue]}
        await http.post("/api/v1/tasks", json={**body, "tags": []})  # reads Temporal's clock, once for each API process
        service.calls.clear()
        ids = [(await http.post("/api/v1/tasks", json=body)).json()["id"] for _ in range(5)]
        assert "describe_task_queue" not in service.calls
        await harness.listed(5, tag=harness.settings.task_queue)
        page = (await http.get("/api/v1/tasks", params={"tag": harness.settings.task_queue})).json()
        assert [task["waiting_for_worker"] for task in page["tasks"]] == [True] * 5
        assert service.calls["describe_task_queue"] == 1
        await asyncio.gather(*(http.get(f"/api/v1/tasks/{task_id}") for task_id in ids))
        assert service.calls["describe_task_queue"] == 1


async def test_a_task_waits_again_as_soon_as_its_worker_has_stopped(harness: ApiHarness) -> None:
    gate = GatedModel()
    async with harness.worker(gate):
        task_id = await harness.submit()
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
        assert (await harness.task(task_id))["waiting_for_worker"] is False
    task = await eventually(lambda: harness.task(task_id), lambda task: task["waiting_for_worker"])
    assert task["status"] == "running"
    assert (await harness.http.get("/readyz")).status_code == 503


class QueryCounter(Interceptor):
    """Records the task of each query, in order."""

    def __init__(self) -> None:
        self.task_ids: list[str] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _CountingInterceptor(next, self.task_ids)


class _CountingInterceptor(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, task_ids: list[str]) -> None:
        super().__init__(next)
        self._task_ids = task_ids

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        self._task_ids.append(input.id)
        return await super().query_workflow(input)


async def add_silent_worker(temporal: Client, task_queue: str) -> None:
    """Let a worker poll once, and never respond: Temporal counts it for a minute."""
    poll = PollWorkflowTaskQueueRequest(
        namespace=temporal.namespace, task_queue=TaskQueue(name=task_queue), identity="1@silent.test"
    )
    polling = asyncio.create_task(temporal.workflow_service.poll_workflow_task_queue(poll))
    await eventually(lambda: recent_pollers(temporal, task_queue), bool)
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)


async def test_a_task_whose_worker_is_silent_does_not_hide_the_view_of_another(harness: ApiHarness) -> None:
    elsewhere = harness.settings.model_copy(update={"task_queue": f"{harness.settings.task_queue}-silent"})
    app = create_app(elsewhere, harness.catalog, client=harness.temporal)
    silent, gate = ApiHarness(harness.http, harness.temporal, elsewhere, harness.catalog), GatedModel()
    async with app.router.lifespan_context(app), client_of(app) as http, silent.worker(gate):
        body = {"agent": "assistant", "input": "Hi"}
        silent_id = (await http.post("/api/v1/tasks", json=body)).json()["id"]
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
    await add_silent_worker(harness.temporal, elsewhere.task_queue)
    gate, queries = GatedModel(), QueryCounter()
    config = harness.temporal.config()
    config["interceptors"] = [queries]
    app = create_app(harness.settings, harness.catalog, client=Client(**config))
    async with harness.worker(gate), app.router.lifespan_context(app), client_of(app) as http:
        live_id = await harness.submit()
        await asyncio.wait_for(gate.requested.wait(), WITHIN)
        silent_task = (await http.get(f"/api/v1/tasks/{silent_id}")).json()
        assert (silent_task["doing"], silent_task["waiting_for_worker"]) == ("", False)
        assert "demo" in (await http.get(f"/api/v1/tasks/{live_id}")).json()["doing"]
        await http.get(f"/api/v1/tasks/{silent_id}")
        assert queries.task_ids == [silent_id, live_id], "a silent worker is queried once"
        gate.released.set()
