"""Updates of tasks whose worker has died: they become signals, and count once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, ServiceClient

from activities.temporal.task_queue_pollers import recent_pollers
from agentkit.input_requests import InputAnswer
from agentkit.testing import ScriptedResponse
from api.app import create_app
from api.tasks.task_updates import TaskUpdates
from tests.integration.api.clerk import Payments, pay_call, payments_settings
from tests.integration.api.conftest import WITHIN, client_of, eventually, serve_rest
from tests.integration.api.watching import CountingService
from workflows.task_types import AnswerVerdict, MessageVerdict, SentMessage


@pytest.fixture
async def payments(tmp_path: Path, temporal_port: int) -> AsyncIterator[Payments]:
    """An agent that pays, in an API of the test's own."""
    async with serve_rest(payments_settings(tmp_path, temporal_port)) as api:
        yield Payments(api)


async def poll_and_die(client: Client, task_queue: str) -> None:
    """Poll a task queue as a worker that dies then: Temporal counts it for a minute."""
    request = PollWorkflowTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=task_queue), identity="dead"
    )
    polling = asyncio.create_task(
        client.workflow_service.poll_workflow_task_queue(request, timeout=timedelta(seconds=60))
    )
    await eventually(lambda: recent_pollers(client, task_queue), bool)
    polling.cancel()
    with suppress(RPCError, asyncio.CancelledError):
        await polling


async def test_what_a_dead_worker_does_not_decide_is_kept_for_the_next_one_and_counts_once(payments: Payments) -> None:
    script: list[ScriptedResponse] = [pay_call(), "Paid."]
    api = payments.api
    async with payments.worker(script):
        task = await payments.waiting()
    await poll_and_die(api.temporal, api.settings.task_queue)
    updates = TaskUpdates(api.temporal, api.settings, update_timeout=timedelta(seconds=1))
    execution = await api.temporal.get_workflow_handle(task["id"]).describe()
    assert await updates.may_respond(execution)
    async with asyncio.timeout(WITHIN):
        message = SentMessage(text="Thanks.", id="m1")
        assert await updates.send(execution, "send_message", message, MessageVerdict) is None
        answer = InputAnswer(input_request_id="input_1", decision="approve")
        assert await updates.send(execution, "answer_input", answer, AnswerVerdict) is None
    async with payments.worker(script[1:]):
        ended = await api.task(task["id"], wait=WITHIN)
        messages = (await api.get(f"/tasks/{task['id']}/transcript"))["messages"]
    assert (ended["output"], payments.paid) == ("Paid.", [700])
    assert [part["text"] for message in messages if message["role"] == "user" for part in message["parts"]].count(
        "Thanks."
    ) == 1


async def test_a_cancelled_request_sends_no_signal(payments: Payments) -> None:
    api = payments.api
    async with payments.worker([pay_call(), "Paid."]):
        task = await payments.waiting()
    await poll_and_die(api.temporal, api.settings.task_queue)
    updates = TaskUpdates(api.temporal, api.settings)
    handle = api.temporal.get_workflow_handle(task["id"])
    message = SentMessage(text="Thanks.")
    sending = asyncio.create_task(updates.send(await handle.describe(), "send_message", message, MessageVerdict))
    await asyncio.wait([sending], timeout=1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    types = [event.event_type for event in (await handle.fetch_history()).events]
    assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED not in types


class Rendezvous(CountingService):
    """Holds back the calls that read a task after a verdict until all of them have been made."""

    reads = frozenset({"describe_workflow_execution", "get_workflow_execution_history", "query_workflow"})

    def __init__(self, inner: ServiceClient) -> None:
        super().__init__(inner)
        self.read = asyncio.Barrier(len(self.reads))

    async def _rpc_call(self, rpc: str, *args: Any, **options: Any) -> Any:
        if rpc in self.reads and "update_workflow_execution" in self.calls:
            async with asyncio.timeout(WITHIN):
                await self.read.wait()
        return await super()._rpc_call(rpc, *args, **options)


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "a-key-that-is-longer-than-the-id-of-an-update"}])
async def test_an_answer_takes_five_calls_of_which_three_are_made_at_once_and_short_ids(
    payments: Payments, key: dict[str, str]
) -> None:
    api = payments.api
    service = Rendezvous(api.temporal.service_client)
    client = Client(service, data_converter=api.temporal.data_converter)
    app = create_app(api.settings, api.catalog, client=client)
    async with payments.worker([pay_call(), "Paid."]), app.router.lifespan_context(app), client_of(app) as http:
        task = await payments.waiting()
        service.calls.clear()
        answer = {"decision": "approve"}
        path = f"/api/v1/tasks/{task['id']}/input-requests/input_1"
        response = await http.post(path, json=answer, headers=key)
    assert response.json()["doing"]  # only the query has that
    calls = {rpc: count for rpc, count in service.calls.items() if "queue" not in rpc and rpc != "list_workers"}
    assert calls == {
        "describe_workflow_execution": 2,
        "get_workflow_execution_history": 1,
        "query_workflow": 1,
        "update_workflow_execution": 1,
    }
    history = await api.temporal.get_workflow_handle(task["id"]).fetch_history()
    accepted = [event.workflow_execution_update_accepted_event_attributes for event in history.events]
    assert [len(each.protocol_instance_id) for each in accepted if each.protocol_instance_id] == [16 if key else 12]
