"""Tasks whose model fails or gives empty responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from temporalio.client import WorkflowExecutionStatus

from agentkit.errors import ModelError, ModelNotAuthorized, ModelRequestRejected, ModelUnavailable
from agentkit.messages import ToolCall
from agentkit.runtime.loop import MAX_RETRIES
from agentkit.testing import ScriptedModel
from agentkit.tools import tool
from workflows.agent_task import AgentTask
from workflows.search_attributes import STATUS, STEPS

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


CALL = ToolCall(id="1", name="double", arguments={"number": 21})


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ModelNotAuthorized("Incorrect API key provided: check OPENAI_API_KEY", status=401), id="key"),
        pytest.param(ModelRequestRejected("Unknown parameter: 'temprature'", status=400), id="request"),
    ],
)
async def test_a_permanent_failure_fails_the_task_at_once_with_the_providers_message(
    env: TaskEnvironment, error: ModelError
) -> None:
    model = ScriptedModel([CALL, error, "never"])
    async with env.worker(model, double):
        handle = await env.start("Go.", env.agent(double))
        raised, failure = await env.failure(handle)
        status = await handle.query(AgentTask.status)
    assert (raised.type, raised.message) == (type(error).__name__, str(error))
    assert (failure.message, failure.step) == (str(error), 2)
    assert (failure.usage.model_calls, failure.usage.tool_calls) == (1, 1)
    assert len(model.requests) == 2
    assert (status.status, status.error) == ("failed", str(error))
    described = await handle.describe()
    assert described.status == WorkflowExecutionStatus.FAILED
    assert (described.typed_search_attributes.get(STATUS), described.typed_search_attributes.get(STEPS)) == (
        "failed",
        2,
    )


async def test_a_transient_failure_is_retried_and_is_not_in_the_transcript(env: TaskEnvironment) -> None:
    model = ScriptedModel([ModelUnavailable("overloaded", status=503, retry_after=0), "done"])
    async with env.worker(model):
        result, handle = await env.run("Go.")
        transcript = await env.transcript(handle)
    assert (result.output, result.steps, result.usage.model_calls) == ("done", 1, 1)
    assert [request.attempt for request in model.requests] == [1, 2]
    assert [message.role for message in transcript] == ["user", "assistant"]


async def test_a_provider_that_the_worker_does_not_have_fails_the_task_at_once(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([])):
        handle = await env.start("Go.", env.agent(models=("openai:gpt-5-mini",)))
        error, _ = await env.failure(handle)
    assert error.type == "ModelNotAuthorized"
    assert "no openai model for 'openai:gpt-5-mini'" in error.message


async def test_each_empty_response_gets_feedback_until_a_response_has_text(env: TaskEnvironment) -> None:
    model = ScriptedModel(["", " \n", "", "at last"])
    async with env.worker(model):
        result, handle = await env.run("Go.")
        transcript = await env.transcript(handle)
    assert (result.output, result.steps) == ("at last", 4)
    assert [message.source for message in transcript] == [None, None, "planner", None, "planner", None, "planner", None]
    assert [list(request.messages) for request in model.requests] == [transcript[:end] for end in (1, 3, 5, 7)]


async def test_a_model_that_gives_only_empty_responses_fails_the_task(env: TaskEnvironment) -> None:
    model = ScriptedModel([""] * 50)
    async with env.worker(model):
        handle = await env.start("Go.")
        error, failure = await env.failure(handle)
    assert (error.type, len(model.requests), failure.step) == ("ModelOutputInvalid", MAX_RETRIES + 1, MAX_RETRIES + 1)
    assert "responses in a row without a tool call or an output" in failure.message


async def test_an_unexpected_exception_in_a_model_client_is_retried(env: TaskEnvironment) -> None:
    model = ScriptedModel([RuntimeError("a bug in a client"), "done"])
    async with env.worker(model):
        result, _ = await env.run("Go.")
    assert result.output == "done"
