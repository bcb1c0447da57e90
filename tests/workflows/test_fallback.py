"""When a model fails for good, the task continues with the next model of the agent's chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentkit.errors import ContentRefused, ContextTooLong, ModelError, ModelNotAuthorized, ModelUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, ThinkingPart, ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

CHAIN = ("scripted:first", "scripted:second")


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


def call_double(number: int) -> ToolCall:
    return ToolCall(id=f"c{number}", name="double", arguments={"number": number})


def responses_in(request: ModelRequest) -> int:
    """Return how many responses of models the request's messages hold."""
    return sum(message.role == "assistant" for message in request.messages)


def model_with_error(step: int, error: ModelError) -> ScriptedModel:
    """Return a provider's models: ``first`` raises the error from a step on, ``second`` responds in every step."""

    async def script(request: ModelRequest) -> ScriptedResponse:
        response_count = responses_in(request)
        if request.model == "scripted:first" and response_count >= step - 1:
            return error
        return call_double(response_count) if response_count < 2 else f"done by {request.model}"

    return ScriptedModel(script)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ModelNotAuthorized("wrong key", status=401), id="key"),
        pytest.param(ContextTooLong("8,193 tokens, and 8,192 fit", status=400), id="context"),
        pytest.param(ContentRefused("not this", status=400), id="content refused"),
        pytest.param(ModelUnavailable("overloaded", status=529, retry_after=0), id="unavailable after all retries"),
    ],
)
async def test_after_an_error_the_next_model_is_used_for_the_rest_of_the_task(
    env: TaskEnvironment, error: ModelError
) -> None:
    model = model_with_error(2, error)
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
    requested = [request.model for request in model.requests]
    assert set(requested[:-2]) == {"scripted:first"}
    assert requested[-2:] == ["scripted:second"] * 2


async def test_the_second_model_gets_the_unchanged_messages_of_the_first(env: TaskEnvironment) -> None:
    thinking = ThinkingPart(text="hm", provider="scripted", signature="s")
    model = ScriptedModel(
        [
            Message(role="assistant", parts=(thinking, ToolCall(id="c1", name="double", arguments={"number": 1}))),
            ModelNotAuthorized("wrong key", status=401),
            "done",
        ]
    )
    async with env.worker(model, double):
        await env.run("Go.", env.agent(double, models=CHAIN))
    message = model.requests[-1].messages[1]
    assert model.requests[-1].model == "scripted:second"
    assert thinking in message.parts
    assert [call.id for call in message.tool_calls] == ["c1"]


async def test_when_the_last_model_fails_the_task_fails_with_its_error(env: TaskEnvironment) -> None:
    model = ScriptedModel([ModelNotAuthorized("first key", status=401), ModelNotAuthorized("second key", status=401)])
    async with env.worker(model):
        handle = await env.start("Go.", env.agent(models=CHAIN))
        error, _ = await env.failure(handle)
        details = await handle.query("__temporal_workflow_metadata")
    assert (error.type, error.message) == ("ModelNotAuthorized", "second key")
    assert "scripted:first failed (ModelNotAuthorized): first key" in str(details)


async def test_the_second_model_stays_in_use_after_continue_as_new(short_history_env: TaskEnvironment) -> None:
    async def script(request: ModelRequest) -> ScriptedResponse:
        if request.model == "scripted:first":
            return ModelNotAuthorized("wrong key", status=401)
        return call_double(responses_in(request)) if responses_in(request) < 6 else "done"

    model = ScriptedModel(script)
    async with short_history_env.worker(model, double):
        result, handle = await short_history_env.run("Go.", short_history_env.agent(double, models=CHAIN))
    newest_run = await short_history_env.client.get_workflow_handle(handle.id).describe()
    assert newest_run.run_id != handle.first_execution_run_id
    assert result.steps == 7
    assert [request.model for request in model.requests].count("scripted:first") == 1
