from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from pydantic import JsonValue

from agentkit.interfaces import CallTools, Decision, Finish, ModelResponse, Retry, StopReason
from agentkit.messages import ContentPart, Message, TextPart, ToolCall, ToolResult, Usage, user_message
from agentkit.planners import ReactPlanner
from agentkit.specs import AgentSpec, ToolSpec

LOOK = ToolSpec(
    name="look",
    description="Look at a thing.",
    parameters={"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
)
AGENT = AgentSpec(name="a", models=("local:m",), planner="react", instructions="Be brief.", tools=(LOOK,))


def response(*parts: ContentPart | str, stop: StopReason = "end") -> ModelResponse:
    content = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    message = Message(role="assistant", parts=content, model="local:m")
    return ModelResponse(message=message, stop_reason=stop, usage=Usage(model_calls=1))


def decide(text: str, agent: AgentSpec = AGENT) -> Decision:
    return ReactPlanner().decide(response(text), agent)


def action_text(name: str, **arguments: JsonValue) -> str:
    return json.dumps({"thought": "t", "action": {"name": name, "arguments": arguments}})


def test_an_action_is_a_call_without_an_id() -> None:
    assert decide(action_text("look", at="sky")) == CallTools((ToolCall(id="", name="look", arguments={"at": "sky"}),))


@pytest.mark.parametrize(
    ("text", "output"),
    [
        pytest.param('{"action": {"name": "finish", "arguments": {"answer": "blue"}}}', "blue", id="asked for"),
        pytest.param('{"action": {"name": "Finish", "arguments": "blue"}}', "blue", id="bare"),
        pytest.param("Thought: I know.\nFinal Answer: blue\nand clear", "blue\nand clear", id="classic"),
        pytest.param('{"action": {"name": "finish", "arguments": {"answer": {"n": 1}}}}', '{"n": 1}', id="object"),
        pytest.param('{"action": {"name": "finish", "arguments": {"n": 1}}}', '{"n": 1}', id="fields of the answer"),
        pytest.param('{"action": {"name": "finish", "arguments": {"answer": 0}}}', "0", id="zero"),
        pytest.param('{"action": "Final Answer", "action_input": "blue"}', "blue", id="other name"),
        pytest.param("Action: Finish[blue]", "blue", id="brackets"),
    ],
)
def test_the_action_finish_ends_the_task(text: str, output: str) -> None:
    assert decide(text) == Finish(output)


CALCULATOR = ToolSpec(
    name="calculator",
    description="Work out an expression.",
    parameters={"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
)


def test_an_agent_with_the_calculator_gets_worked_examples_that_it_could_have_written_itself() -> None:
    agent = AGENT.model_copy(update={"tools": (LOOK, CALCULATOR)})
    request = ReactPlanner().render(agent, [user_message("What is 6*7?")], agent.tools)
    *examples, question = request.messages
    assert question == user_message("What is 6*7?")
    assert [message.role for message in examples] == ["user", "assistant"] * 5
    decisions = [decide(message.text, agent) for message in examples if message.role == "assistant"]
    assert decisions[:2] == [
        CallTools((ToolCall(id="", name="calculator", arguments={"expression": "2+3"}),)),
        Finish("5"),
    ]
    schema = Draft202012Validator(dict(request.output_schema or {}))
    assert all(schema.is_valid(json.loads(message.text)) for message in examples if message.role == "assistant")


@pytest.mark.parametrize(
    "update",
    [
        pytest.param({"tools": (LOOK,)}, id="no calculator"),
        pytest.param({"tools": (LOOK.model_copy(update={"name": "calculator"}),)}, id="another calculator"),
        pytest.param({"tools": (CALCULATOR,), "output_schema": {"type": "integer"}}, id="an output schema"),
    ],
)
def test_other_agents_get_no_worked_examples(update: dict[str, object]) -> None:
    agent = AGENT.model_copy(update=update)
    request = ReactPlanner().render(agent, [user_message("What is 6*7?")], agent.tools)
    assert list(request.messages) == [user_message("What is 6*7?")]


FINISH_TOOL = ToolSpec(name="finish", description="Paint the last layer.", parameters={"type": "object"})


@pytest.mark.parametrize(
    ("names", "finish"),
    [
        pytest.param(["look"], "finish", id="as usual"),
        pytest.param(["finish"], "final_answer", id="a tool of that name"),
        pytest.param(["Finish", "final_answer"], "finish_2", id="tools of both names"),
    ],
)
def test_the_finishing_action_has_a_name_that_no_tool_has(names: list[str], finish: str) -> None:
    tools = tuple(FINISH_TOOL.model_copy(update={"name": name}) for name in names)
    agent = AGENT.model_copy(update={"tools": tools, "output_schema": {"type": "string"}})
    request = ReactPlanner().render(agent, [user_message("go")], agent.tools)
    assert f'"name": "{finish}", "arguments": {{"answer": ...}}' in request.system
    assert f'The "answer" of "{finish}" fits this schema' in request.system
    assert request.output_schema is not None
    fits = Draft202012Validator(request.output_schema).is_valid
    assert fits(json.loads(action_text(finish, answer="blue")))
    assert all(fits(json.loads(action_text(name))) for name in names)
    assert decide(action_text(finish, answer="blue"), agent) == Finish("blue")
    for name in names:
        assert decide(action_text(name), agent) == CallTools((ToolCall(id="", name=name),))
    unreadable = decide("hm", agent)
    assert isinstance(unreadable, Retry)
    assert f'the name "{finish}" ends the task' in unreadable.feedback


def test_arguments_that_are_no_object_are_malformed() -> None:
    decision = decide("Action: look\nAction Input: the sky\nmore")
    assert decision == CallTools((ToolCall(id="", name="look", malformed='"the sky"'),))


@pytest.mark.parametrize("text", ["", "It is blue.", "{}", action_text("finish"), action_text("finish", answer=" ")])
def test_other_text_is_retried_with_the_expected_format(text: str) -> None:
    decision = decide(text)
    assert isinstance(decision, Retry)
    assert '"action"' in decision.feedback


def test_native_tool_calls_are_made() -> None:
    call = ToolCall(id="1", name="look", arguments={"at": "sky"})
    assert ReactPlanner().decide(response(call, stop="tool_calls"), AGENT) == CallTools((call,))


def test_tools_and_results_are_text_in_the_request() -> None:
    result = ToolResult(call_id="call_1_0", name="look", content="fog", is_error=True)
    transcript = [user_message("what?"), response("{...}").message, Message(role="tool", parts=(result,))]
    request = ReactPlanner().render(AGENT, transcript, AGENT.tools)
    assert request.tools == ()
    assert "Be brief." in request.system
    assert "- look: Look at a thing." in request.system
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]
    assert request.messages[-1].text == "Observation (look, failed): fog"


@pytest.mark.parametrize(
    ("action", "fits"),
    [
        pytest.param({"name": "look", "arguments": {"at": "sky"}}, True, id="tool"),
        pytest.param({"name": "look", "arguments": {}}, False, id="tool without its argument"),
        pytest.param({"name": "fly", "arguments": {}}, False, id="unknown tool"),
        pytest.param({"name": "finish", "arguments": {"answer": "blue"}}, True, id="finish"),
    ],
)
def test_the_output_schema_accepts_only_valid_actions(action: JsonValue, fits: bool) -> None:
    request = ReactPlanner().render(AGENT, [user_message("what?")], AGENT.tools)
    assert request.output_schema is not None
    value = json.loads(json.dumps({"thought": "", "action": action}))
    assert Draft202012Validator(request.output_schema).is_valid(value) is fits


def test_the_agents_output_schema_applies_to_the_finish_action() -> None:
    agent = AGENT.model_copy(update={"output_schema": {"type": "object", "required": ["n"]}})
    request = ReactPlanner().render(agent, [user_message("what?")], AGENT.tools)
    assert request.output_schema is not None
    finish = {"thought": "", "action": {"name": "finish", "arguments": {"answer": "words"}}}
    assert not Draft202012Validator(request.output_schema).is_valid(finish)


def test_schemas_with_definitions_apply_inside_the_actions() -> None:
    place: dict[str, JsonValue] = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    pointing: dict[str, JsonValue] = {
        "type": "object",
        "properties": {"at": {"$ref": "#/$defs/Place"}, "next": {"$ref": "#"}},
        "$defs": {"Place": place},
    }
    tool = LOOK.model_copy(update={"parameters": pointing})
    answer: dict[str, JsonValue] = {"definitions": {"Place": {"type": "string"}}, "$ref": "#/definitions/Place"}
    agent = AGENT.model_copy(update={"tools": (tool,), "output_schema": answer})
    request = ReactPlanner().render(agent, [user_message("go")], agent.tools)
    assert request.output_schema is not None
    fits = Draft202012Validator(request.output_schema).is_valid
    assert fits({"thought": "", "action": {"name": "look", "arguments": {"at": {"x": 1}, "next": {"at": {"x": 2}}}}})
    assert not fits({"thought": "", "action": {"name": "look", "arguments": {"at": {"x": "1"}}}})
    assert not fits({"thought": "", "action": {"name": "look", "arguments": {"next": {"at": {}}}}})
    assert fits({"thought": "", "action": {"name": "finish", "arguments": {"answer": "here"}}})
    assert not fits({"thought": "", "action": {"name": "finish", "arguments": {"answer": {"x": 1}}}})
    assert json.dumps(answer) in request.system
