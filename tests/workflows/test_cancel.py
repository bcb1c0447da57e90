"""Cancelling a task cancels its running activities, and the task ends with the status ``cancelled``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, Interceptor

from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from workflows.agent_task import AgentTask
from workflows.search_attributes import STATUS

if TYPE_CHECKING:
    from tests.workflows.conftest import Handle, TaskEnvironment

CANCELLATION_TIMEOUT_S = 6.0
"""Heartbeats, whose responses carry a cancellation, are sent every second."""


class WaitForCancellation:
    """Waits until it is cancelled, and sets an event at the start and at the cancellation."""

    def __init__(self) -> None:
        self.started, self.cancelled = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class HeartbeatObserver(ClientInterceptor, Interceptor):
    """Sets ``sent`` when an activity heartbeats."""

    def __init__(self) -> None:
        self.sent = asyncio.Event()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        sent = self.sent

        class Outbound(ActivityOutboundInterceptor):
            def heartbeat(self, *details: Any) -> None:
                super().heartbeat(*details)
                sent.set()

        class Inbound(ActivityInboundInterceptor):
            def init(self, outbound: ActivityOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound(next)


async def assert_cancelled(env: TaskEnvironment, handle: Handle) -> None:
    with pytest.raises(WorkflowFailureError) as raised:
        await env.result(handle)
    assert isinstance(raised.value.cause, CancelledError)
    described = await handle.describe()
    assert described.status == WorkflowExecutionStatus.CANCELED
    assert described.typed_search_attributes.get(STATUS) == "cancelled"
    assert (await handle.query(AgentTask.status)).status == "cancelled"


async def test_cancelling_cancels_a_running_model_request(env: TaskEnvironment) -> None:
    model_wait, heartbeats = WaitForCancellation(), HeartbeatObserver()
    env = env.with_interceptor(heartbeats)

    async def script(_: ModelRequest) -> ScriptedResponse:
        await model_wait.wait()
        return "never"

    async with env.worker(ScriptedModel(script)):
        handle = await env.start("Go.")
        await asyncio.wait_for(model_wait.started.wait(), 10)
        await asyncio.wait_for(heartbeats.sent.wait(), 10)  # the SDK throttles those after the first
        await handle.cancel()
        await asyncio.wait_for(model_wait.cancelled.wait(), CANCELLATION_TIMEOUT_S)
        await assert_cancelled(env, handle)


async def test_cancelling_cancels_every_running_tool_call(env: TaskEnvironment) -> None:
    tool_waits = [WaitForCancellation(), WaitForCancellation()]

    @tool(effect="pure")
    async def wait(number: int) -> str:
        await tool_waits[number].wait()
        return "never"

    calls = [ToolCall(id=f"{number}", name="wait", arguments={"number": number}) for number in (0, 1)]
    model = ScriptedModel([calls, "never"])
    async with env.worker(model, wait):
        handle = await env.start("Go.", env.agent(wait))
        await asyncio.wait_for(asyncio.gather(*(tool_wait.started.wait() for tool_wait in tool_waits)), 10)
        await handle.cancel()
        await asyncio.wait_for(
            asyncio.gather(*(tool_wait.cancelled.wait() for tool_wait in tool_waits)), CANCELLATION_TIMEOUT_S
        )
        await assert_cancelled(env, handle)
    assert len(model.requests) == 1


# The SDK warns when a local activity ends just before its cancellation reaches it.
@pytest.mark.filterwarnings("ignore:Cannot find activity to cancel")
async def test_a_task_that_is_cancelled_during_a_fast_tool_ends_as_cancelled(env: TaskEnvironment) -> None:
    tool_wait = WaitForCancellation()

    @tool(effect="pure", fast=True, timeout="500ms")
    async def wait() -> str:
        await tool_wait.wait()
        return "never"

    async with env.worker(ScriptedModel([ToolCall(id="c", name="wait"), "never"]), wait):
        handle = await env.start("Go.", env.agent(wait))
        await asyncio.wait_for(tool_wait.started.wait(), 10)
        await handle.cancel()
        await assert_cancelled(env, handle)


async def test_a_task_that_is_cancelled_before_a_worker_starts_requests_no_model(env: TaskEnvironment) -> None:
    handle = await env.start("Go.")
    await handle.cancel()
    model = ScriptedModel(["never"])
    async with env.worker(model):
        await assert_cancelled(env, handle)
    assert model.requests == []
