"""When a model fails for good, the next of the agent's chain takes over, and the task goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentkit.errors import ContentRefused, ContextTooLong, ModelError, ModelNotAuthorized, ModelUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, ThinkingPart, ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from workflows.agent_task import AgentTask

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

CHAIN = ("scripted:first", "scripted:second")


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


def failing_at(step: int, error: ModelError) -> ScriptedModel:
    """Return a model whose ``first`` fails from a step on, and whose ``second`` never does."""

    async def answer(request: ModelRequest) -> ScriptedResponse:
        said = sum(message.role == "assistant" for message in request.messages)
        if request.model == "scripted:first" and said >= step - 1:
            return error
        calls: list[ScriptedResponse] = [ToolCall(id=f"c{said}", name="double", arguments={"number": said})] * 2
        return [*calls, f"done by {request.model}"][said]

    return ScriptedModel(answer)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ModelNotAuthorized("wrong key", status=401), id="key"),
        pytest.param(ContextTooLong("8,193 tokens, and 8,192 fit", status=400), id="context"),
        pytest.param(ContentRefused("not this", status=400), id="refused"),
        pytest.param(ModelUnavailable("overloaded", status=529, retry_after=0), id="retries spent"),
    ],
)
async def test_the_next_model_takes_over_in_mid_task_and_stays(env: TaskEnvironment, error: ModelError) -> None:
    model = failing_at(2, error)
    async with env.worker(model, double):
        result, handle = await env.run("Go.", env.agent(double, models=CHAIN))
        transcript = await env.transcript(handle)
    assert result.output == "done by scripted:second"
    assert result.steps == 3
    assert [message.model for message in transcript if message.role == "assistant"] == [
        "scripted:first",
        "scripted:second",
        "scripted:second",
    ]
    asked = [request.model for request in model.requests]
    assert asked[0] == "scripted:first"
    assert set(asked[1:-2]) == {"scripted:first"}
    assert asked[-2:] == ["scripted:second"] * 2


async def test_what_the_first_model_said_reaches_the_second_whole(env: TaskEnvironment) -> None:
    thought = ThinkingPart(text="hm", provider="scripted", signature="s")
    model = ScriptedModel(
        [
            Message(role="assistant", parts=(thought, ToolCall(id="mine", name="double", arguments={"number": 1}))),
            ModelNotAuthorized("wrong key", status=401),
            "done",
        ]
    )
    async with env.worker(model, double):
        await env.run("Go.", env.agent(double, models=CHAIN))
    message = model.requests[-1].messages[1]
    assert model.requests[-1].model == "scripted:second"
    assert thought in message.parts
    assert [call.id for call in message.tool_calls] == ["mine"]


async def test_when_the_last_model_fails_the_task_fails_with_its_words(env: TaskEnvironment) -> None:
    model = ScriptedModel([ModelNotAuthorized("first key", status=401), ModelNotAuthorized("second key", status=401)])
    async with env.worker(model):
        handle = await env.start("Go.", env.agent(models=CHAIN))
        raised, _ = await env.failure(handle)
        details = await handle.query("__temporal_workflow_metadata")
    assert (raised.type, raised.message) == ("ModelNotAuthorized", "second key")
    assert "scripted:first failed (ModelNotAuthorized): first key" in str(details)


async def test_a_task_that_continues_as_new_stays_with_the_second_model(short_history_env: TaskEnvironment) -> None:
    async def answer(request: ModelRequest) -> ScriptedResponse:
        if request.model == "scripted:first":
            return ModelNotAuthorized("wrong key", status=401)
        said = sum(message.role == "assistant" for message in request.messages)
        return ToolCall(id=f"c{said}", name="double", arguments={"number": said}) if said < 6 else "done"

    model = ScriptedModel(answer)
    async with short_history_env.worker(model, double):
        result, handle = await short_history_env.run("Go.", short_history_env.agent(double, models=CHAIN))
        await handle.query(AgentTask.status)
    assert result.steps == 7
    assert [request.model for request in model.requests].count("scripted:first") == 1
