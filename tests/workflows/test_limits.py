"""Limits end a task, and say which, and what was used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from workflows.visibility import STATUS, STEPS, TOKENS

if TYPE_CHECKING:
    from tests.workflows.conftest import Stage


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


async def forever(request: ModelRequest) -> ScriptedResponse:
    """Call a tool in every step; each costs 15 tokens."""
    call = ToolCall(id=f"c{len(request.messages)}", name="double", arguments={"number": 1})
    return Message(role="assistant", parts=(call,))


async def test_a_task_ends_after_max_steps(stage: Stage) -> None:
    model = ScriptedModel(forever)
    async with stage.worker(model, double):
        handle = await stage.start("Go.", stage.agent(double, limits={"max_steps": 3}))
        error, failure = await stage.failure(handle)
    assert error.type == "LimitExceeded"
    assert failure.message == "max_steps is 3, and the task has used 3 steps"
    assert (failure.step, failure.usage.model_calls, failure.usage.tool_calls, len(model.requests)) == (3, 3, 3, 3)
    found = (await handle.describe()).typed_search_attributes
    assert (found.get(STATUS), found.get(STEPS), found.get(TOKENS)) == ("failed", 3, 45)


async def test_a_task_ends_when_its_tokens_are_spent(stage: Stage) -> None:
    model = ScriptedModel(forever)
    async with stage.worker(model, double):
        handle = await stage.start("Go.", stage.agent(double, limits={"max_tokens": 31}))
        error, failure = await stage.failure(handle)
    assert error.type == "LimitExceeded"
    assert failure.message == "max_tokens is 31, and the task has used 45 tokens"
    assert len(model.requests) == 3


async def test_an_answer_within_the_last_step_is_the_answer(stage: Stage) -> None:
    async with stage.worker(ScriptedModel(["done"])):
        result, _ = await stage.run("Go.", stage.agent(limits={"max_steps": 1, "max_tokens": 15}))
    assert result.output == "done"
