"""Numbers, depths and results that no store holds end in a clear result, and never stall a task."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import JsonValue
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowFailureError
from temporalio.common import RawValue
from temporalio.worker import Worker

from agentkit.interfaces import Decision, ModelResponse
from agentkit.messages import MAX_COUNT, Message, TextPart, ToolCall, Usage
from agentkit.planners import PLANNERS, ToolsPlanner
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedModel
from agentkit.tools import tool
from tests.workflows.answering import answer, pending_requests
from tests.workflows.conftest import TIMEOUT_S, TaskEnvironment
from workflows.search_attributes import TOKENS


@tool(effect="pure")
def echo(value: JsonValue) -> JsonValue:
    """Return the value."""
    return value


def nested(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = [value]
    return value


async def test_a_usage_beyond_all_stores_is_clamped_and_the_task_completes(env: TaskEnvironment) -> None:
    message = Message(role="assistant", parts=(TextPart(text="Done"),), model="scripted:m")
    usage = Usage(input_tokens=10**20, output_tokens=10**400, cost_usd=1e300, model_calls=1)
    async with env.worker(ScriptedModel([ModelResponse(message=message, stop_reason="end", usage=usage)])):
        result, handle = await env.run("Go")
    assert (result.output, result.usage.input_tokens, result.usage.cost_usd) == ("Done", MAX_COUNT, MAX_COUNT)
    assert (await handle.describe()).typed_search_attributes.get(TOKENS) == 2 * MAX_COUNT


@pytest.mark.parametrize("levels", [90, 150, 196, 249, 5_000])
async def test_deep_results_of_tools_reach_the_model_as_text(env: TaskEnvironment, levels: int) -> None:
    @tool(effect="pure")
    def deep() -> JsonValue:
        return nested(levels)

    async with env.worker(ScriptedModel([ToolCall(id="c", name="deep"), "Done"]), deep):
        result, handle = await env.run("Go", env.agent(deep))
        transcript = await env.transcript(handle)
    assert result.output == "Done"
    content = transcript[2].parts[0].model_dump()["content"]
    assert content.startswith("[" * 90) or "can't be shown" in content


async def test_a_deep_result_of_a_foreign_worker_is_an_error_that_the_model_reads(env: TaskEnvironment) -> None:
    queue = f"{env.settings.task_queue}-foreign"

    @tool(effect="pure", task_queue=queue)
    def foreign() -> None:
        """Served elsewhere."""

    @activity.defn(name="tool.foreign")
    async def serve(arguments: RawValue, context: RawValue) -> RawValue:
        data = b"[" * 1_000 + b"]" * 1_000
        return RawValue(Payload(metadata={"encoding": b"json/plain"}, data=data))

    foreign_worker = Worker(env.client, task_queue=queue, activities=[serve])
    async with env.worker(ScriptedModel([ToolCall(id="c", name="foreign"), "Done"]), foreign), foreign_worker:
        result, handle = await env.run("Go", env.agent(foreign))
        transcript = await env.transcript(handle)
    assert result.output == "Done"
    assert "its result can't be read" in transcript[2].parts[0].model_dump()["content"]


class FailingPlanner(ToolsPlanner):
    """Fails as workflow code does with data that it can't process."""

    def decide(self, response: ModelResponse, agent: AgentSpec) -> Decision:
        raise OverflowError("int too large")


async def test_an_exception_that_data_causes_ends_the_task_with_its_reason(
    env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLANNERS, "failing", FailingPlanner())
    async with env.worker(ScriptedModel(["Hello"])):
        handle = await env.start("Go", env.agent(planner="failing"))
        with pytest.raises(WorkflowFailureError) as raised:
            await asyncio.wait_for(handle.result(), TIMEOUT_S)
    assert str(raised.value.cause) == "OverflowError: Data of the task can't be processed: int too large"


STEERING_SIGNALS = ("answer_input", "send_message", "raise_limits")


async def test_signals_of_any_data_change_nothing_and_stall_no_task(env: TaskEnvironment) -> None:
    texts = [
        '{"input_request_id": "input_1", "decision": "answer", "answer": NaN}',
        '{"input_request_id": "input_1", "decision": "approve", "arguments": {"value": Infinity}}',
        '{"input_request_id": "\\ud800", "decision": "deny", "text": "\\ud800"}',
        "[" * 150 + "]" * 150,
        '{"text": 1e400, "max_steps": 1e400, "decision": ' + "1" * 4_000 + "}",
        '{"\\u0000": "\\u0000"}',
        '{"deadline": "' + "9" * 90 + 'd"}',
        "null",
    ]
    asking = echo.spec.model_copy(update={"approval": "always"})
    agent = env.agent(echo, limits={"max_tokens": 1_000}).model_copy(update={"tools": (asking,)})
    async with env.worker(ScriptedModel([ToolCall(id="c", name="echo", arguments={"value": 1}), "Done"]), echo):
        handle = await env.start("Go", agent)
        (request,) = await pending_requests(handle)
        for name in STEERING_SIGNALS:
            for text in texts:
                await handle.signal(name, RawValue(Payload(metadata={"encoding": b"json/plain"}, data=text.encode())))
            await handle.signal(name)
            await handle.signal(name, args=[None, 1])
        await handle.signal("pause", "now")
        await handle.signal("resume", args=[1, 2])
        for limit in (10**400, 5):  # the first one is more than a float holds
            await handle.signal("raise_limits", {"max_tokens": limit})
        assert await pending_requests(handle) == (request,)
        await answer(handle, request, "approve")
        assert (await env.result(handle)).output == "Done"
