"""The plan planner makes a plan, carries it out, and plans again when the model does."""

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


def said(*parts: ContentPart | str) -> ModelResponse:
    written = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    message = Message(role="assistant", parts=written, model="demo:demo")
    return ModelResponse(message=message, stop_reason="end", usage=Usage(model_calls=1))


def start() -> AgentLoop:
    return AgentLoop(AGENT, PlanPlanner(), ApprovalPolicy(), [user_message("go")])


def test_a_plan_is_taken_up_and_the_model_told_to_go_on() -> None:
    loop = start()
    decision = loop.record_response(said(PLAN))
    assert isinstance(decision, Proceed)
    assert decision.plan == loop.plan == ("look up", "look down")
    last = loop.transcript.read()[-1]
    assert (last.role, last.source) == ("user", "planner")
    assert "look up" in last.text
    assert loop.delta == (last,)


def test_after_the_plan_come_calls_and_an_answer() -> None:
    loop = start()
    loop.record_response(said(PLAN))
    call = ToolCall(id="1", name="look")
    assert loop.record_response(said(call)) == CallTools((call,))
    loop.record_results([ToolResult(call_id="1", name="look", content="fog")])
    assert loop.record_response(said("It is foggy.")) == Finish("It is foggy.")


def test_a_new_plan_replaces_the_old_one() -> None:
    loop = start()
    loop.record_response(said(PLAN))
    loop.record_response(said(ToolCall(id="1", name="look")))
    loop.record_results([ToolResult(call_id="1", name="look", content="broken", is_error=True)])
    loop.record_response(said('The lamp is broken.\n```json\n{"plan": ["feel"]}\n```'))
    assert loop.plan == ("feel",)


def test_a_model_that_only_ever_plans_is_stopped() -> None:
    loop = start()
    for _ in range(MAX_RETRIES):
        loop.record_response(said(PLAN))
    with pytest.raises(ModelOutputInvalid, match="led nowhere"):
        loop.record_response(said(PLAN))


def test_the_plan_has_a_schema_until_there_is_one() -> None:
    planner, loop = PlanPlanner(), start()
    assert planner.render(AGENT, loop.transcript.read(), AGENT.tools).output_schema == PLAN_SCHEMA
    loop.record_response(said(PLAN))
    assert planner.render(AGENT, loop.transcript.read(), AGENT.tools).output_schema is None


@pytest.mark.parametrize("text", ["", "no plan", '{"plan": "x"}', '{"plan": [1]}', '["plan"]', '{"plan": [" "]}'])
def test_what_is_no_plan_is_none(text: str) -> None:
    assert read_plan(text) == ()


def test_the_schema_of_the_output_is_told_in_words() -> None:
    planner = PlanPlanner()
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"fog": {"type": "boolean"}}}
    agent = AGENT.model_copy(update={"output_schema": schema})
    asked = planner.render(agent, [user_message("go")], agent.tools)
    assert json.dumps(schema) in asked.system
    assert "schema" not in planner.render(AGENT, [user_message("go")], AGENT.tools).system
