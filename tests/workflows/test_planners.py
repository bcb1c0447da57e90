"""The ``react`` and ``plan`` planners and structured output, in the workflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agentkit.messages import ToolCall
from agentkit.runtime.loop import MAX_RETRIES
from agentkit.testing import ScriptedModel
from agentkit.tools import tool
from workflows.agent_task import AgentTask

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


def action(name: str, **arguments: object) -> str:
    return json.dumps({"thought": "hm", "action": {"name": name, "arguments": arguments}})


async def test_react_calls_tools_by_text_and_sends_results_as_observations(env: TaskEnvironment) -> None:
    model = ScriptedModel([action("double", number=21), "Let me think.", action("finish", answer="42")])
    async with env.worker(model, double):
        result, handle = await env.run("What is twice 21?", env.agent(double, planner="react"))
        (tool_result,) = await env.tool_results(handle)
    assert (result.output, result.steps) == ("42", 3)
    assert (tool_result.call_id, tool_result.content) == ("call_1_0", "42")
    assert model.requests[0].tools == ()
    assert model.requests[0].output_schema is not None
    assert model.requests[1].messages[-1].text == "Observation (double): 42"
    assert '"action"' in model.requests[2].messages[-1].text


async def test_a_plan_is_shown_by_query_and_details_and_sent_back_to_the_model(env: TaskEnvironment) -> None:
    model = ScriptedModel(['{"plan": ["double it", "report it"]}', ToolCall(id="1", name="double"), "42"])
    async with env.worker(model, double):
        result, handle = await env.run("Twice 21?", env.agent(double, planner="plan"))
        view = await handle.query(AgentTask.status)
        details = str(await handle.query("__temporal_workflow_metadata"))
    assert result.output == "42"
    assert view.plan == ("double it", "report it")
    assert "1. double it" in details
    assert "double it" in model.requests[1].messages[-1].text


async def test_responses_that_do_not_fit_the_schema_get_feedback_and_one_that_fits_is_the_output(
    env: TaskEnvironment,
) -> None:
    model = ScriptedModel(["Paris, of course.", '{"town": "Paris"}', '```json\n{"city": "Paris"}\n```'])
    async with env.worker(model):
        result, handle = await env.run("Capital of France?", env.agent(output_schema=CITY))
        transcript = await env.transcript(handle)
    assert result.output == {"city": "Paris"}
    assert [message.source for message in transcript] == [None, None, "planner", None, "planner", None]
    assert "Respond with the JSON only" in transcript[2].text
    assert "'city' is a required property" in transcript[4].text
    assert [request.output_schema for request in model.requests] == [CITY] * 3


async def test_a_model_whose_responses_never_fit_the_schema_fails_the_task(env: TaskEnvironment) -> None:
    model = ScriptedModel(["{}"] * (MAX_RETRIES + 1))
    async with env.worker(model):
        handle = await env.start("Capital of France?", env.agent(output_schema=CITY))
        error, failure = await env.failure(handle)
    assert error.type == "ModelOutputInvalid"
    assert "'city' is a required property" in failure.message
