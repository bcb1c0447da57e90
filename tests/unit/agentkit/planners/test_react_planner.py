from __future__ import annotations

import json
import time

import pytest
from jsonschema import Draft202012Validator
from pydantic import JsonValue

from agentkit.interfaces import CallTools, Finish, ModelResponse, Retry, StopReason
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


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"thought": "t", "action": {"name": "look", "arguments": {"at": "sky"}}}', id="asked for"),
        pytest.param('```json\n{"action": {"name": "look", "arguments": {"at": "sky"}}}\n```', id="fenced"),
        pytest.param('{"action": "look", "action_input": {"at": "sky"}}', id="other keys"),
        pytest.param('Thought: hm\nAction: look\nAction Input: {"at": "sky"}', id="classic"),
        pytest.param('**Action:** `look`\n**Action Input:** {"at": "sky"}\nObservation: blue', id="markdown"),
    ],
)
def test_an_action_is_parsed_in_each_accepted_format(text: str) -> None:
    assert ReactPlanner().decide(response(text)) == CallTools((ToolCall(id="", name="look", arguments={"at": "sky"}),))


@pytest.mark.parametrize(
    ("text", "output"),
    [
        pytest.param('{"action": {"name": "finish", "arguments": {"answer": "blue"}}}', "blue", id="asked for"),
        pytest.param('{"action": {"name": "Finish", "arguments": "blue"}}', "blue", id="bare"),
        pytest.param("Thought: I know.\nFinal Answer: blue\nand clear", "blue\nand clear", id="classic"),
        pytest.param('{"action": {"name": "finish", "arguments": {"answer": {"n": 1}}}}', '{"n": 1}', id="object"),
    ],
)
def test_the_action_finish_ends_the_task(text: str, output: str) -> None:
    assert ReactPlanner().decide(response(text)) == Finish(output)


def test_arguments_that_are_no_object_are_malformed() -> None:
    decision = ReactPlanner().decide(response("Action: look\nAction Input: the sky\nmore"))
    assert decision == CallTools((ToolCall(id="", name="look", malformed='"the sky"'),))


@pytest.mark.parametrize("text", ["", "It is blue.", "{}", '{"action": null}', "Final Answer:  "])
def test_other_text_is_retried_with_the_expected_format(text: str) -> None:
    decision = ReactPlanner().decide(response(text))
    assert isinstance(decision, Retry)
    assert '"action"' in decision.feedback


def test_a_response_that_was_cut_off_is_retried() -> None:
    decision = ReactPlanner().decide(response('{"thought": "on and on', stop="length"))
    assert isinstance(decision, Retry)
    assert "cut off" in decision.feedback


def test_native_tool_calls_are_made() -> None:
    call = ToolCall(id="1", name="look", arguments={"at": "sky"})
    assert ReactPlanner().decide(response(call, stop="tool_calls")) == CallTools((call,))


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


@pytest.mark.parametrize("line", ["\n", "  \n", "> \n", "*" * 80 + "\n"], ids=["blank", "spaces", "quote", "stars"])
def test_a_long_response_of_blank_lines_takes_less_than_a_second(line: str) -> None:
    start = time.process_time()
    assert isinstance(ReactPlanner().decide(response(line * (200_000 // len(line)))), Retry)
    assert time.process_time() - start < 1, "a workflow task has 2 s; in quadratic time this takes minutes"
