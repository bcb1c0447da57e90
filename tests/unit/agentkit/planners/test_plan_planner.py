from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from agentkit.errors import ModelOutputInvalid
from agentkit.interfaces import CallTools, Finish, ModelResponse, Proceed
from agentkit.messages import ContentPart, Message, TextPart, ToolCall, ToolResult, Usage, user_message
from agentkit.planners import PlanPlanner
from agentkit.planners.plan_planner import plan_key, plan_schema, read_plan
from agentkit.runtime.calls.security_policy import RulePolicy
from agentkit.runtime.loop import MAX_RETRIES, AgentLoop
from agentkit.specs import AgentSpec, ToolSpec
from agentkit.transcript import Transcript

LOOK = ToolSpec(name="look", description="Look.", parameters={"type": "object"}, effect="pure")
AGENT = AgentSpec(name="a", models=("demo:demo",), planner="plan", tools=(LOOK,))
PLAN = '{"plan": ["look up", " look down ", ""]}'


def response(*parts: ContentPart | str) -> ModelResponse:
    content = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    message = Message(role="assistant", parts=content, model="demo:demo")
    return ModelResponse(message=message, stop_reason="end", usage=Usage(model_calls=1))


def start(agent: AgentSpec = AGENT) -> AgentLoop:
    return AgentLoop(agent, PlanPlanner(), RulePolicy(), Transcript([user_message("go")]))


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
    loop.record_results([call], [ToolResult(call_id="1", name="look", content="fog")])
    assert loop.record_response(response("It is foggy.")) == Finish("It is foggy.")


def test_a_new_plan_replaces_the_old_one() -> None:
    loop = start()
    loop.record_response(response(PLAN))
    call = ToolCall(id="1", name="look")
    loop.record_response(response(call))
    loop.record_results([call], [ToolResult(call_id="1", name="look", content="broken", is_error=True)])
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
    assert planner.render(AGENT, loop.transcript.read(), AGENT.tools).output_schema == plan_schema("plan")
    loop.record_response(response(PLAN))
    assert planner.render(AGENT, loop.transcript.read(), AGENT.tools).output_schema is None


def test_what_earlier_tasks_planned_and_looked_up_is_no_plan_of_this_task() -> None:
    loop, call = start(), ToolCall(id="1", name="look")
    loop.record_response(response(PLAN))
    loop.record_response(response(call))
    loop.record_results([call], [ToolResult(call_id="1", name="look", content="fog")])
    loop.record_response(response("It is foggy."))
    earlier = loop.transcript.read()

    def schema_after(*own: Message) -> object:
        transcript = [*earlier, user_message("again"), *own]
        return PlanPlanner().render(AGENT, transcript, AGENT.tools, own_start=len(earlier)).output_schema

    assert schema_after() == plan_schema("plan")
    assert schema_after(response(PLAN).message) is None
    assert schema_after(response(PLAN).message, user_message("faster")) is None  # sent to the running task


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PLAN, id="json alone"),
        pytest.param(f"My plan: {PLAN} I begin.", id="among words"),
        pytest.param(f"~~~JSON\n{PLAN}\n~~~", id="fenced"),
        pytest.param(f'{{"plan": 1}} {PLAN} {{"plan": ["other"]}}', id="the first of several"),
    ],
)
def test_the_first_plan_of_a_response_is_read(text: str) -> None:
    assert read_plan(text, "plan") == ("look up", "look down")


@pytest.mark.parametrize("text", ["", "no plan", '{"plan": "x"}', '{"plan": [1]}', '["plan"]', '{"plan": [" "]}'])
def test_other_text_has_no_plan(text: str) -> None:
    assert read_plan(text, "plan") == ()


def test_the_output_schema_is_part_of_the_instructions() -> None:
    planner = PlanPlanner()
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"fog": {"type": "boolean"}}}
    agent = AGENT.model_copy(update={"output_schema": schema})
    request = planner.render(agent, [user_message("go")], agent.tools)
    assert json.dumps(schema) in request.system
    assert "schema" not in planner.render(AGENT, [user_message("go")], AGENT.tools).system


def schema_with(*keys: str) -> dict[str, JsonValue]:
    return {"type": "object", "properties": {key: {"type": "array"} for key in keys}, "required": list(keys)}


@pytest.mark.parametrize(
    ("schema", "key"),
    [
        pytest.param(None, "plan", id="none"),
        pytest.param(schema_with("steps"), "plan", id="other keys"),
        pytest.param(schema_with("plan"), "next_steps", id="the key of plans"),
        pytest.param(
            {"$defs": {"trip": schema_with("plan", "next_steps")}, "$ref": "#/$defs/trip"}, "plan_2", id="both"
        ),
    ],
)
def test_the_key_of_plans_is_none_of_the_output_schemas(schema: dict[str, JsonValue] | None, key: str) -> None:
    assert plan_key(AGENT.model_copy(update={"output_schema": schema})) == key


def test_an_output_with_the_key_plan_is_the_output_and_no_plan() -> None:
    loop = start(AGENT.model_copy(update={"output_schema": schema_with("plan")}))
    request = PlanPlanner().render(loop.agent, loop.transcript.read(), ())
    assert request.output_schema == plan_schema("next_steps")
    assert '{"next_steps": ["first step", "second step", ...]}' in request.system
    assert isinstance(loop.record_response(response('{"next_steps": ["think"]}')), Proceed)
    assert PlanPlanner().render(loop.agent, loop.transcript.read(), ()).output_schema is None
    text = '{"plan": ["go", "come back"]}'
    assert PlanPlanner().decide(response(text), loop.agent) == Finish(text)
