from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from agentkit.errors import ModelOutputInvalid
from agentkit.interfaces import CallTools, Finish, ModelResponse, Proceed
from agentkit.messages import ContentPart, Message, TextPart, ToolCall, ToolResult, Usage, user_message
from agentkit.planners import PlanPlanner
from agentkit.planners.plan_planner import PLAN_SCHEMA, read_plan
from agentkit.runtime.approval_policy import ApprovalPolicy
from agentkit.runtime.loop import MAX_RETRIES, AgentLoop
from agentkit.specs import AgentSpec, ToolSpec

LOOK = ToolSpec(name="look", description="Look.", parameters={"type": "object"}, effect="pure")
AGENT = AgentSpec(name="a", models=("demo:demo",), planner="plan", tools=(LOOK,))
PLAN = '{"plan": ["look up", " look down ", ""]}'


def response(*parts: ContentPart | str) -> ModelResponse:
    content = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    message = Message(role="assistant", parts=content, model="demo:demo")
    return ModelResponse(message=message, stop_reason="end", usage=Usage(model_calls=1))


def start() -> AgentLoop:
    return AgentLoop(AGENT, PlanPlanner(), ApprovalPolicy(), [user_message("go")])


def test_after_a_plan_the_model_gets_a_message_with_its_first_step() -> None:
    loop = start()
    decision = loop.record_response(response(PLAN))
    assert isinstance(decision, Proceed)
    assert decision.plan == loop.plan == ("look up", "look down")
    last = loop.transcript.read()[-1]
    assert (last.role, last.source) == ("user", "planner")
    assert "look up" in last.text


def test_after_the_plan_tool_calls_are_made_and_text_is_the_output() -> None:
    loop = start()
    loop.record_response(response(PLAN))
    call = ToolCall(id="1", name="look")
    assert loop.record_response(response(call)) == CallTools((call,))
    loop.record_results([ToolResult(call_id="1", name="look", content="fog")])
    assert loop.record_response(response("It is foggy.")) == Finish("It is foggy.")


def test_a_new_plan_replaces_the_old_one() -> None:
    loop = start()
    loop.record_response(response(PLAN))
    loop.record_response(response(ToolCall(id="1", name="look")))
    loop.record_results([ToolResult(call_id="1", name="look", content="broken", is_error=True)])
    loop.record_response(response('The lamp is broken.\n```json\n{"plan": ["feel"]}\n```'))
    assert loop.plan == ("feel",)


def test_too_many_plans_in_a_row_are_an_error() -> None:
    loop = start()
    for _ in range(MAX_RETRIES):
        loop.record_response(response(PLAN))
    with pytest.raises(ModelOutputInvalid, match="responses in a row without a tool call or an output"):
        loop.record_response(response(PLAN))


def test_the_output_schema_is_the_plans_until_there_is_a_plan() -> None:
    planner, loop = PlanPlanner(), start()
    assert planner.render(AGENT, loop.transcript.read(), AGENT.tools).output_schema == PLAN_SCHEMA
    loop.record_response(response(PLAN))
    assert planner.render(AGENT, loop.transcript.read(), AGENT.tools).output_schema is None


@pytest.mark.parametrize("text", ["", "no plan", '{"plan": "x"}', '{"plan": [1]}', '["plan"]', '{"plan": [" "]}'])
def test_other_text_has_no_plan(text: str) -> None:
    assert read_plan(text) == ()


def test_the_output_schema_is_part_of_the_instructions() -> None:
    planner = PlanPlanner()
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"fog": {"type": "boolean"}}}
    agent = AGENT.model_copy(update={"output_schema": schema})
    request = planner.render(agent, [user_message("go")], agent.tools)
    assert json.dumps(schema) in request.system
    assert "schema" not in planner.render(AGENT, [user_message("go")], AGENT.tools).system
