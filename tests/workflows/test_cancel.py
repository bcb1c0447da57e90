"""Cancelling reaches what is in flight at once, and the task says that it was cancelled."""

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

AT_ONCE = 6.0
"""Seconds: heartbeats, which carry a cancellation, go out every second."""


class Patience:
    """Waits until it is cancelled, and tells."""

    def __init__(self) -> None:
        self.began, self.cancelled = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class Heartbeats(ClientInterceptor, Interceptor):
    """Tells when an activity has heartbeat."""

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


async def ends_cancelled(env: TaskEnvironment, handle: Handle) -> None:
    with pytest.raises(WorkflowFailureError) as raised:
        await env.result(handle)
    assert isinstance(raised.value.cause, CancelledError)
    described = await handle.describe()
    assert described.status == WorkflowExecutionStatus.CANCELED
    assert described.typed_search_attributes.get(STATUS) == "cancelled"
    assert (await handle.query(AgentTask.status)).status == "cancelled"


async def test_cancelling_reaches_a_model_that_is_being_asked(env: TaskEnvironment) -> None:
    patience, heartbeats = Patience(), Heartbeats()
    env = env.with_interceptor(heartbeats)

    async def script(_: ModelRequest) -> ScriptedResponse:
        await patience.wait()
        return "never"

    async with env.worker(ScriptedModel(script)):
        handle = await env.start("Go.")
        await asyncio.wait_for(patience.began.wait(), 10)
        await asyncio.wait_for(heartbeats.sent.wait(), 10)  # the SDK holds back those after the first
        await handle.cancel()
        await asyncio.wait_for(patience.cancelled.wait(), AT_ONCE)
        await ends_cancelled(env, handle)


async def test_cancelling_reaches_every_tool_that_is_being_called(env: TaskEnvironment) -> None:
    patiences = [Patience(), Patience()]

    @tool(effect="pure")
    async def wait(place: int) -> str:
        await patiences[place].wait()
        return "never"

    model = ScriptedModel(
        [[ToolCall(id=f"{place}", name="wait", arguments={"place": place}) for place in (0, 1)], "no"]
    )
    async with env.worker(model, wait):
        handle = await env.start("Go.", env.agent(wait))
        await asyncio.wait_for(asyncio.gather(*(patience.began.wait() for patience in patiences)), 10)
        await handle.cancel()
        await asyncio.wait_for(asyncio.gather(*(patience.cancelled.wait() for patience in patiences)), AT_ONCE)
        await ends_cancelled(env, handle)
    assert len(model.requests) == 1


# The SDK warns when a local activity ends just before its cancellation reaches it.
@pytest.mark.filterwarnings("ignore:Cannot find activity to cancel")
async def test_cancelling_during_a_fast_tool_ends_the_task_as_cancelled(env: TaskEnvironment) -> None:
    patience = Patience()

    @tool(effect="pure", fast=True, timeout="500ms")
    async def wait() -> str:
        await patience.wait()
        return "never"

    async with env.worker(ScriptedModel([ToolCall(id="c", name="wait"), "never"]), wait):
        handle = await env.start("Go.", env.agent(wait))
        await asyncio.wait_for(patience.began.wait(), 10)
        await handle.cancel()
        await ends_cancelled(env, handle)


async def test_cancelling_before_a_worker_is_there_ends_the_task_without_asking_a_model(env: TaskEnvironment) -> None:
    handle = await env.start("Go.")
    await handle.cancel()
    model = ScriptedModel(["never"])
    async with env.worker(model):
        await ends_cancelled(env, handle)
    assert model.requests == []
