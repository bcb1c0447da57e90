"""The ReAct planner reads actions however they were written, and shows results as observations."""

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


def said(*parts: ContentPart | str, stop: StopReason = "end") -> ModelResponse:
    written = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    message = Message(role="assistant", parts=written, model="local:m")
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
def test_an_action_is_read_however_it_was_written(text: str) -> None:
    assert ReactPlanner().decide(said(text)) == CallTools((ToolCall(id="", name="look", arguments={"at": "sky"}),))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param('{"action": {"name": "finish", "arguments": {"answer": "blue"}}}', "blue", id="asked for"),
        pytest.param('{"action": {"name": "Finish", "arguments": "blue"}}', "blue", id="bare"),
        pytest.param("Thought: I know.\nFinal Answer: blue\nand clear", "blue\nand clear", id="classic"),
        pytest.param('{"action": {"name": "finish", "arguments": {"answer": {"n": 1}}}}', '{"n": 1}', id="object"),
    ],
)
def test_the_action_finish_ends_the_task(text: str, answer: str) -> None:
    assert ReactPlanner().decide(said(text)) == Finish(answer)


def test_arguments_that_are_no_object_are_malformed() -> None:
    decision = ReactPlanner().decide(said("Action: look\nAction Input: the sky\nmore"))
    assert decision == CallTools((ToolCall(id="", name="look", malformed='"the sky"'),))


@pytest.mark.parametrize("text", ["", "It is blue.", "{}", '{"action": null}', "Final Answer:  "])
def test_what_is_no_action_is_answered_with_what_was_expected(text: str) -> None:
    decision = ReactPlanner().decide(said(text))
    assert isinstance(decision, Retry)
    assert '"action"' in decision.feedback


def test_an_answer_cut_off_is_asked_for_again_shorter() -> None:
    decision = ReactPlanner().decide(said('{"thought": "on and on', stop="length"))
    assert isinstance(decision, Retry)
    assert "cut off" in decision.feedback


def test_native_calls_are_taken_as_they_are() -> None:
    call = ToolCall(id="1", name="look", arguments={"at": "sky"})
    assert ReactPlanner().decide(said(call, stop="tool_calls")) == CallTools((call,))


def test_tools_are_described_and_results_are_observed_in_text() -> None:
    result = ToolResult(call_id="call_1_0", name="look", content="fog", is_error=True)
    transcript = [user_message("what?"), said("{...}").message, Message(role="tool", parts=(result,))]
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
def test_the_schema_allows_just_the_actions_there_are(action: JsonValue, fits: bool) -> None:
    request = ReactPlanner().render(AGENT, [user_message("what?")], AGENT.tools)
    assert request.output_schema is not None
    written = json.loads(json.dumps({"thought": "", "action": action}))
    assert Draft202012Validator(request.output_schema).is_valid(written) is fits


def test_with_an_output_schema_the_final_answer_must_fit_it() -> None:
    agent = AGENT.model_copy(update={"output_schema": {"type": "object", "required": ["n"]}})
    request = ReactPlanner().render(agent, [user_message("what?")], AGENT.tools)
    assert request.output_schema is not None
    finish = {"thought": "", "action": {"name": "finish", "arguments": {"answer": "words"}}}
    assert not Draft202012Validator(request.output_schema).is_valid(finish)


def test_schemas_with_definitions_still_hold_inside_the_actions() -> None:
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
def test_an_answer_of_empty_lines_is_read_in_no_time(line: str) -> None:
    began = time.process_time()
    assert isinstance(ReactPlanner().decide(said(line * (200_000 // len(line)))), Retry)
    assert time.process_time() - began < 1, "a workflow may take 2 s; in the square of the length it takes minutes"
