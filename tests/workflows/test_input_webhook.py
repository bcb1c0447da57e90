"""Webhooks for input requests, over real HTTP and Temporal: signed, retried until they are accepted, and no longer."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.input_webhook import InputWebhookActivity
from activities.payload_types import NOTIFY_INPUT_ACTIVITY, InputNotice
from activities.retry_policies import NOTIFY_INPUT_POLICY
from activities.settings import Settings
from agentkit.input_requests import InputRequest
from agentkit.messages import ToolCall, user_message
from agentkit.testing import ScriptedModel
from agentkit.tools.builtin.ask_person import ask_person_tool
from agentkit.web import OneOriginClient
from tests.webhook_receiver import WEBHOOK_SECRET, Behaviour, webhook_receiver
from tests.workflows.conftest import TaskEnvironment
from workflows.agent_task import AgentTask
from workflows.task_types import TaskInput

RETRY = dataclasses.replace(NOTIFY_INPUT_POLICY.retry, initial_interval=timedelta(milliseconds=20), maximum_attempts=4)


@workflow.defn
class Notify:
    """Sends one notice, with retries that don't wait for long."""

    @workflow.run
    async def run(self, notice: InputNotice) -> None:
        await workflow.execute_activity(
            NOTIFY_INPUT_ACTIVITY,
            notice,
            start_to_close_timeout=NOTIFY_INPUT_POLICY.start_to_close,
            heartbeat_timeout=NOTIFY_INPUT_POLICY.heartbeat,
            retry_policy=RETRY,
        )


def notice() -> InputNotice:
    request = InputRequest(id="input_1", kind="question", step=1, message="Red or blue?", opened_at=datetime.now(UTC))
    return InputNotice(task_id=f"task-{uuid.uuid4().hex}", agent="clerk", request=request)


def with_webhook(settings: Settings, url: str, secret: str = WEBHOOK_SECRET) -> Settings:
    return settings.model_copy(update={"input_webhook": url, "input_webhook_secret": SecretStr(secret)})


async def send(env: TaskEnvironment, sent: InputNotice, url: str, secret: str = WEBHOOK_SECRET) -> None:
    """Send a notice as a worker does, but for the shorter waits."""
    webhook = InputWebhookActivity(with_webhook(env.settings, url, secret), OneOriginClient(url), timeout_s=1)
    async with (
        asyncio.timeout(30),
        Worker(
            env.client,
            task_queue=env.settings.task_queue,
            workflows=[Notify],
            activities=[webhook.notify_input_request],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
    ):
        await env.client.execute_workflow(
            Notify.run, sent, id=f"notify-{uuid.uuid4().hex}", task_queue=env.settings.task_queue
        )


@pytest.mark.parametrize(
    "failures",
    [[500, 500], ["reset"], ["hang"], [429, 503], [302], [408, "reset", 599]],
    ids=["errors", "reset", "no response", "overload", "redirect", "several"],
)
async def test_a_notice_is_sent_until_it_is_accepted(env: TaskEnvironment, failures: list[Behaviour]) -> None:
    sent = notice()
    async with webhook_receiver(failures) as receiver:
        await send(env, sent, receiver.url)
    opened_ms = int(sent.request.opened_at.timestamp() * 1000)
    assert receiver.ids == [f"{sent.task_id}/input_1/{opened_ms}"] * (len(failures) + 1)
    assert [event["data"]["task_id"] for event in receiver.events] == [sent.task_id] * (len(failures) + 1)


async def test_without_a_server_the_last_attempt_says_that_there_was_no_connection(env: TaskEnvironment) -> None:
    async with webhook_receiver() as gone:
        unused = gone.url
    with pytest.raises(WorkflowFailureError) as raised:
        await send(env, notice(), unused)
    assert cause(raised.value).type == "WebhookUnavailable"
    assert cause(raised.value).message.startswith("The webhook: No connection to http://127.0.0.1:")


@pytest.mark.parametrize("status", [410, 400])
async def test_a_refusal_ends_the_attempts(env: TaskEnvironment, status: int) -> None:
    async with webhook_receiver([500, status]) as receiver:
        with pytest.raises(WorkflowFailureError) as raised:
            await send(env, notice(), receiver.url)
    assert len(receiver.ids) == 2
    assert (cause(raised.value).type, cause(raised.value).non_retryable) == ("WebhookRefused", True)


async def test_another_secret_is_refused_and_neither_secret_nor_token_is_logged(
    env: TaskEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="temporalio")
    other = "whsec_" + "QUFB" * 8
    async with webhook_receiver() as receiver:
        with pytest.raises(WorkflowFailureError) as raised:
            await send(env, notice(), receiver.url, other)
    assert receiver.ids == []
    assert "status 401" in cause(raised.value).message
    assert "status 401" in caplog.text
    assert not [secret for secret in ("t0ken", other[6:]) if secret in caplog.text + cause(raised.value).message]


async def test_a_task_that_asks_calls_the_webhook_and_is_answered(env: TaskEnvironment) -> None:
    ask = ask_person_tool()
    question = ToolCall(id="c", name="ask_person", arguments={"question": "Which?", "choices": ["red", "blue"]})
    async with webhook_receiver() as receiver:
        settings = with_webhook(env.settings, receiver.url)
        async with TaskEnvironment(env.client, settings).worker(ScriptedModel([question, "It is blue."]), ask):
            task = TaskInput(agent=env.agent(ask), message=user_message("Go."), notify=True)
            handle = await env.client.start_workflow(
                AgentTask.run, task, id=f"task-{uuid.uuid4().hex}", task_queue=settings.task_queue
            )
            await receiver.wait_for(1)
            data = receiver.events[0]["data"]
            assert (data["task_id"], data["agent"], data["kind"]) == (handle.id, "a", "question")
            assert (data["message"], data["choices"]) == ("Which?", ["red", "blue"])
            answer = {"input_request_id": data["id"], "decision": "answer", "answer": "blue"}
            await handle.signal("answer_input", answer)
            assert (await env.result(handle)).output == "It is blue."
            assert [result.content for result in await env.tool_results(handle)] == ["blue"]


def cause(failure: WorkflowFailureError) -> ApplicationError:
    assert isinstance(failure.cause, ActivityError)
    assert isinstance(failure.cause.cause, ApplicationError)
    return failure.cause.cause
